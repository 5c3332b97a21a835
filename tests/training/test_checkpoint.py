"""Checkpoints: back bit for bit, nothing half-written, damage is passed over and said, another format is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mtl.errors import UserError
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


@pytest.mark.parametrize("damage", ["truncated", "garbled", "empty"])
def test_damage_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, tree(step), {"step": step})
    newest = tmp_path / "step_000000002.pt"
    content = newest.read_bytes()
    newest.write_bytes(
        {"truncated": content[: len(content) // 2], "garbled": b"x" * len(content), "empty": b""}[damage]
    )
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
    torch.save(change(torch.load(path, weights_only=True)), path)
    whole = rf"{path.name} {sentence}.*, or remove the checkpoints in {tmp_path} and train from the start"
    with pytest.raises(UserError, match=whole):
        checkpoint.load_newest(tmp_path, tree(0))
    with pytest.raises(UserError, match=whole):
        checkpoint.load_file(path, tree(0))
    assert ("cannot be read" in capsys.readouterr().err) == (changed == "one before")
