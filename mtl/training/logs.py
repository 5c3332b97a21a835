"""A run's logs: lines of JSON, cut back to the checkpoint when the run goes on."""

import os
from pathlib import Path

from torch import Tensor

from mtl.errors import UserError
from mtl.record.files import Line
from mtl.record.paths import DST, METRICS, NONFINITE
from mtl.training.step import Metrics, norm

LOGS = (METRICS, DST, NONFINITE)


def step_line(epoch: int, step: int, metrics: Metrics, before: dict[str, Tensor], after: dict[str, Tensor]) -> Line:
    """A step's line of metrics.jsonl; the norms are those of the trunk, before and after being its parameters."""
    return {
        "kind": "step",
        "epoch": epoch,
        "step": step,
        "losses": {task: loss.item() for task, loss in metrics.losses.items()},
        "weights": {task: weight.item() for task, weight in metrics.weights.items()},
        "learning_rate": metrics.learning_rate.item(),
        "gradient_norm": metrics.gradient_norm.item(),
        "parameter_norm": norm(after.values()).item(),
        "update_norm": norm(after[name] - value for name, value in before.items()).item(),
    }


def sync_logs(folder: Path) -> dict[str, int]:
    """Waits until the logs are on the disk, and tells how long each is, bytes."""
    sizes = {}
    for name in LOGS:
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[name] = path.stat().st_size
    return sizes


def cut_logs(folder: Path, sizes: dict[str, int]) -> None:
    """Cuts off what was written after the logs were that long; a run that goes on writes it again.

    Raises:
      UserError: if one is shorter: then something of it was lost.
    """
    for name in LOGS:
        path, size = folder / name, sizes.get(name, 0)
        found = path.stat().st_size if path.exists() else 0
        if found < size:
            raise UserError(
                f"{path} has {found} bytes, and had {size} when the run's checkpoint was written: put a whole copy in "
                f"its place, or delete {folder} and train from the start"
            )
        if found > size:
            os.truncate(path, size)
