"""Checkpoints: back bit for bit, nothing half-written, damage is passed over and said."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

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
