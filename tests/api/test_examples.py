"""The examples run as they stand, and learn."""

import re
import runpy
from pathlib import Path

import pytest
import torch

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_loss_falls(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with torch.random.fork_rng(devices=[]):
        runpy.run_path(str(path))
    printed = capsys.readouterr().out
    losses = [float(loss) for loss in re.findall(r"loss before it ([\d.]+)", printed)]
    assert len(losses) >= 5
    assert losses[-1] < losses[0] / 4
    assert "on: sign\n" in printed or "on: sign, largest\n" in printed, "DST drops a task in some epoch"
