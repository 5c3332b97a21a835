"""Checkpoints: back bit for bit, nothing half-written, damage is passed over and said, another format is refused."""

import errno
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest
import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.record import locks
from mtl.training import checkpoint


class Tree(NamedTuple):
    weights: dict[str, Tensor]
    step: Tensor


def tree(seed: int) -> Tree:
    return Tree({"w": torch.randn(3, generator=torch.Generator().manual_seed(seed))}, torch.tensor(seed))


def test_back_bit_for_bit(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 7, tree(7), {"epoch": 2, "loss": 0.1 + 0.2})
    found = checkpoint.load_newest(tmp_path, tree(0))
    assert found is not None
    assert isinstance(found.tree, Tree)
    assert torch.equal(found.tree.weights["w"], tree(7).weights["w"])
    assert found.tree.step.dtype == torch.int64
    assert found.progress == {"epoch": 2, "loss": 0.1 + 0.2}


def test_keeps_the_newest_two(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, step, tree(step), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000000002.pt", "step_000000010.pt"]
    assert checkpoint.load_newest(tmp_path / "nowhere", tree(0)) is None


@pytest.mark.parametrize("damage", ["truncated", "garbled", "empty", "one bit"])
def test_damage_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, tree(step), {"step": step})
    newest = tmp_path / "step_000000002.pt"
    content = newest.read_bytes()
    place = content.index(tree(2).weights["w"].numpy().tobytes())
    one_bit = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    cut, garbled = content[: len(content) // 2], b"x" * len(content)
    newest.write_bytes({"truncated": cut, "garbled": garbled, "empty": b"", "one bit": one_bit}[damage])
    with pytest.raises(checkpoint.Damaged, match=rf"^{newest} is damaged \(.*\): put a whole copy in its place, or"):
        checkpoint.load_file(newest, tree(0))
    found = checkpoint.load_newest(tmp_path, tree(0))
    assert found is not None
    assert found.progress == {"step": 1}
    assert "step_000000002.pt cannot be read" in capsys.readouterr().err


def without_format(content: dict[str, Any]) -> dict[str, Any]:
    """As checkpoints were before they had a format."""
    return {name: value for name, value in content.items() if name != "format"}


FORMAT = checkpoint.FORMAT
VERSION = rf"was written by another version of mtl \(its format is {{}}, this one's {FORMAT}\)"
OTHERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no format": (without_format, VERSION.format(None)),
    "older": (lambda content: content | {"format": FORMAT - 1}, VERSION.format(FORMAT - 1)),
    "newer": (lambda content: content | {"format": FORMAT + 1}, VERSION.format(FORMAT + 1)),
    "not ours": (lambda content: torch.tensor(0), VERSION.format(None)),
    "a tensor less": (lambda content: content | {"tensors": {}}, "holds other tensors .* .step"),
    "a tensor more": (
        lambda content: content | {"tensors": content["tensors"] | {".new": torch.ones(1)}},
        "holds other tensors .* .new",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("changed", ["newest", "one before"])
def test_another_is_refused(
    tmp_path: Path,
    change: Callable[[dict[str, Any]], Any],
    sentence: str,
    changed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, tree(step), {})
    before, newest = sorted(tmp_path.iterdir())
    if changed == "one before":
        newest.write_bytes(b"damaged")
    path = newest if changed == "newest" else before
    content = torch.load(path, weights_only=True)
    del content["digest"]  # it would say that the file is damaged
    torch.save(change(content), path)
    whole = rf"{path.name} {sentence}.*, or remove the checkpoints in {tmp_path} and train from the start"
    with pytest.raises(UserError, match=whole):
        checkpoint.load_newest(tmp_path, tree(0))
    with pytest.raises(UserError, match=whole):
        checkpoint.load_file(path, tree(0))
    assert ("cannot be read" in capsys.readouterr().err) == (changed == "one before")


def test_one_from_before_there_were_digests_is_read(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save_file(path, tree(3), {})
    torch.save({key: value for key, value in torch.load(path).items() if key != "digest"}, path)
    assert torch.equal(checkpoint.load_file(path, tree(0)).tree.weights["w"], tree(3).weights["w"])


def test_what_a_killed_process_had_begun_is_removed(tmp_path: Path) -> None:
    (tmp_path / "step_000000001.pt.tmp").write_bytes(b"half")
    checkpoint.save(tmp_path, 2, tree(2), {})
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000002.pt"]


def test_a_missing_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}/best.pt is damaged \(No such file or directory\)"):
        checkpoint.load_file(tmp_path / "best.pt", tree(0))


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_write_that_fails_says_why_and_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, number: int
) -> None:
    """torch raises a RuntimeError of its own where a write fails, whichever write of it that is."""
    checkpoint.save(tmp_path, 1, tree(1), {})
    temporary, calls = locks.temporary, 0

    class Full:
        def __init__(self, file: BinaryIO) -> None:
            self.file = file

        def write(self, content: bytes) -> int:
            nonlocal calls
            calls += 1
            if calls >= number:
                raise failure
            return self.file.write(content)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    @contextmanager
    def full(path: Path) -> Iterator[Full]:
        with temporary(path) as file:
            yield Full(file)

    monkeypatch.setattr(locks, "temporary", full)
    kind = UserError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(kind) as caught:
        checkpoint.save(tmp_path, 2, tree(2), {})
    if kind is UserError:
        assert "step_000000002.pt cannot be written (No space left on device): make room" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000001.pt"]


def test_a_limit_on_the_length_of_files(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match=r"best.pt cannot be written \(File too large\): make room"):
            checkpoint.save_file(tmp_path / "best.pt", {"w": torch.zeros(1000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
