"""Where a run stands, and how it goes back to there."""

from typing import Any, NamedTuple

from mtl import gating
from mtl.errors import UserError
from mtl.record.paths import CHECKPOINTS, RESULTS
from mtl.state import TrainState
from mtl.training import checkpoint
from mtl.training.logs import cut_logs, sync_logs
from mtl.training.run import Run
from mtl.training.sums import Sums, zero_sums


class Progress(NamedTuple):
    """Where a run stands, as JSON-able values.

    Attributes:
      epoch, batch: the next batch to train on; epochs count from 1, batches from 0.
      gates: of this epoch's steps, see `gating.Plan`; None before it is planned.
      schedule: dst.State as a list, None before the first epoch.
      last_losses: mean training losses of the epoch before; None for a task without a label in it.
      seen: of metrics of ours for DST, name -> the same of their x.
      best_epoch, best_accuracy: by the overall score on the validation split, `mtl.metrics.overall`.
      seconds, step_seconds: spent so far, all in all and in training steps.
      num_skipped: steps with numbers that were not finite.
    """

    epoch: int = 1
    batch: int = 0
    gates: list[gating.Gates] | None = None
    schedule: list[Any] | None = None
    last_losses: dict[str, float | None] | None = None
    seen: dict[str, dict[str, float | None]] = {}  # noqa: RUF012 (a NamedTuple's default, which nobody changes)
    best_epoch: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    step_seconds: float = 0.0
    num_skipped: int = 0


def resume(run: Run, state: TrainState) -> tuple[TrainState, Sums, Progress]:
    """Goes back to the newest checkpoint, and cuts the logs to where they were then.

    The first process reads it, and gives all the others the same; so a run may go on with more or fewer of them.
    """
    first = checkpoint.Checkpoint((state, no_sums(run)), {"at": Progress()._asdict(), "log_bytes": {}})
    found = first
    if run.world.rank == 0:
        found = checkpoint.load_newest(run.folder / CHECKPOINTS, first.tree) or first
        if found is first and (run.folder / RESULTS).is_file():
            raise UserError(f"{run.folder} holds results without a checkpoint: delete it to train again")
        cut_logs(run.folder, found.progress["log_bytes"])
    state, sums = run.world.broadcast(found.tree)
    return state, sums, Progress(**run.world.tell(found.progress["at"]))


def num_steps(run: Run, at: Progress) -> int:
    """Training steps so far."""
    return (at.epoch - 1) * run.data.num_batches + at.batch


def save(run: Run, state: TrainState, sums: Sums, at: Progress) -> None:
    """Writes a checkpoint that knows how long the logs are, so that a resumed run cuts what it will write again."""
    if run.world.rank == 0:
        progress = {"at": at._asdict(), "log_bytes": sync_logs(run.folder)}
        checkpoint.save(run.folder / CHECKPOINTS, num_steps(run, at), (state, sums), progress)


def no_sums(run: Run) -> Sums:
    """Those before an epoch's first step."""
    ours = () if run.dropping is None else run.dropping.static.weights.ours
    return zero_sums(len(run.model.tasks), run.levels, run.device, ours)
