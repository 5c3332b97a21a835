"""One run: fit(config, workdir) -> (state, results).

  plan epoch -> steps -> validate -> checkpoint, for each epoch; then test with the best epoch's parameters

A run is a pure function of its configuration. Killed at any moment, the same call goes on from the newest checkpoint
and ends with the same bits: what it needs is the state, the position (epoch, batch) and the lengths of its logs.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ml_collections import ConfigDict
from torch import Tensor

from mtl import dst, gating, locks
from mtl.batch import Batch, mask_matrix
from mtl.data.batches import train_batches
from mtl.errors import UserError
from mtl.gradients import alignment
from mtl.gradients.alignment import Alignment
from mtl.progress import progress as show_progress
from mtl.record import files
from mtl.record.paths import BEST, CHECKPOINTS, DST, EXAMPLES, METRICS, PREDICTIONS, RESULTS, run_folder
from mtl.state import TrainState
from mtl.training import checkpoint, provenance
from mtl.training.evaluation import mean_losses, probe, score, stack_losses
from mtl.training.examples import show_examples
from mtl.training.run import Run, finished, prepare, run_name
from mtl.training.step import Metrics, norm

LOGS = (METRICS, DST)


class Sums(NamedTuple):
    """Sums over an epoch's steps so far, on the device.

    Attributes:
      losses_K: float64, batch losses times the labelled images that they are the means of.
      num_labelled_K: float64, labelled images.
      alignments: level of `Metrics.gramians` -> how well the tasks' gradients agree there.
      bad_step: int64, the first step with a loss that is not finite; -1 while there is none.
    """

    losses_K: Tensor
    num_labelled_K: Tensor
    alignments: dict[str, Alignment]
    bad_step: Tensor


class Progress(NamedTuple):
    """Where a run stands, as JSON-able values.

    Attributes:
      epoch, batch: the next batch to train on; epochs count from 1, batches from 0.
      P: of this epoch, task -> activation probability; None before it is planned.
      schedule: dst.State as a list, None before the first epoch.
      last_losses: mean training losses of the epoch before; None for a task without a label in it.
      best_epoch, best_accuracy: by overall accuracy on the validation split.
      seconds, step_seconds: spent so far, all in all and in training steps.
    """

    epoch: int = 1
    batch: int = 0
    P: dict[str, float] | None = None
    schedule: list[Any] | None = None
    last_losses: dict[str, float | None] | None = None
    best_epoch: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    step_seconds: float = 0.0


def fit(config: ConfigDict, workdir: Path) -> tuple[TrainState, dict[str, Any]]:
    """Trains one run into WORKDIR/<variant or method>/seed_<seed>, or goes on where it was.

    Args:
      config: see configs/default.py.
      workdir: of the study.

    Returns:
      (the state after the last step, what results.json holds).

    Raises:
      UserError: for a mistake in the configuration or the data, for a loss that is not finite, and at once if another
        process is at work on this run.
    """
    with locks.hold(run_folder(workdir, run_name(config), config.seed)):
        return _fit(config, workdir)


def _fit(config: ConfigDict, workdir: Path) -> tuple[TrainState, dict[str, Any]]:
    run, state = prepare(config, workdir)
    state, sums, at = resume(run, state)
    results = finished(config, workdir)
    if results is not None:
        return state, results
    total, done = config.train.epochs * run.num_batches, (at.epoch - 1) * run.num_batches + at.batch
    with show_progress(f"{run_name(config)}, seed {config.seed}", total, start=done) as show:
        while at.epoch <= config.train.epochs:
            if at.P is None:
                at = plan(run, state, at)
            state, sums, at = train_steps(run, state, sums, at, show)
            state, sums, at = close_epoch(run, state, sums, at)
    return state, finish(run, state, at)


def resume(run: Run, state: TrainState) -> tuple[TrainState, Sums, Progress]:
    """Goes back to the newest checkpoint, and cuts the logs to where they were then."""
    found = checkpoint.load_newest(run.folder / CHECKPOINTS, (state, zero_sums(run)))
    if found is None:
        if (run.folder / RESULTS).is_file():
            raise UserError(f"{run.folder} holds results without a checkpoint: delete it to train again")
        found = checkpoint.Checkpoint((state, zero_sums(run)), {"at": Progress()._asdict(), "log_bytes": {}})
    _cut_logs(run, found.progress["log_bytes"])
    return *found.tree, Progress(**found.progress["at"])


def train_steps(
    run: Run, state: TrainState, sums: Sums, at: Progress, show: Callable[..., None]
) -> tuple[TrainState, Sums, Progress]:
    """Trains on what is left of the epoch's batches, logging and writing a checkpoint now and then."""
    before, began = at, time.monotonic()
    last_saved = began
    for batch, gates in zip(epoch_batches(run, at), epoch_gates(run, at), strict=True):
        previous = state.params.trunk
        on = {task: run.switches[gate] for task, gate in gates.items()}
        state, metrics = run.train_step(state, batch, on, sum(gates.values()), at.batch)
        sums = add(sums, metrics, batch, state.step)
        at = at._replace(batch=at.batch + 1)
        done = (at.epoch - 1) * run.num_batches + at.batch
        if done % run.config.train.log_every == 0:
            check_finite(sums)
            files.append_line(run.folder / METRICS, step_line(at.epoch, done, metrics, previous, state.params.trunk))
        now = time.monotonic()
        if at.batch < run.num_batches and now - last_saved > run.config.train.checkpoint_seconds:
            save(run, state, sums, spend(at, before, now - began))
            last_saved = now
        show(done, f"epoch {at.epoch}/{run.config.train.epochs}")
    check_finite(sums)  # waits for the device, so the time is that of finished steps
    return state, sums, spend(at, before, time.monotonic() - began)


def spend(at: Progress, before: Progress, seconds: float) -> Progress:
    """Books the seconds since `before` that went into training steps."""
    return at._replace(seconds=before.seconds + seconds, step_seconds=before.step_seconds + seconds)


def close_epoch(run: Run, state: TrainState, sums: Sums, at: Progress) -> tuple[TrainState, Sums, Progress]:
    """Validates, logs, keeps the parameters if they are the best so far, and writes a checkpoint."""
    began = time.monotonic()
    valid = score(run, state.params, state.buffers, "valid")[0]
    losses = mean_losses(run, sums.losses_K, sums.num_labelled_K)
    is_best = valid["overall_accuracy"] > at.best_accuracy
    if is_best:
        checkpoint.save_file(run.folder / CHECKPOINTS / BEST, (state.params, state.buffers), {"epoch": at.epoch})
    line = {
        "kind": "epoch",
        "epoch": at.epoch,
        "step": at.epoch * run.num_batches,
        "losses": losses,
        "gates": gating.mean_gates(epoch_gates(run, at._replace(batch=0))),
        "gradients": {level: alignment.describe(sums.alignments[level]) for level in run.levels},
        "conflicting": {level: alignment.conflicting(sums.alignments[level]) for level in run.levels},
        "valid": valid,
        "seconds": at.seconds,
    }
    files.append_line(run.folder / METRICS, line)
    at = at._replace(
        epoch=at.epoch + 1,
        batch=0,
        P=None,
        last_losses=losses,
        best_epoch=at.epoch if is_best else at.best_epoch,
        best_accuracy=valid["overall_accuracy"] if is_best else at.best_accuracy,
        seconds=at.seconds + time.monotonic() - began,
    )
    sums = zero_sums(run)
    save(run, state, sums, at)
    return state, sums, at


def plan(run: Run, state: TrainState, at: Progress) -> Progress:
    """Decides how likely each task is on in the coming epoch, and logs how that came about."""
    if run.dropping is None:
        return at._replace(P=dict.fromkeys(run.model.tasks, 1.0))
    began = time.monotonic()
    running = run.config.dst.measure == "running"
    measured = at.last_losses if running and at.last_losses is not None else probe(run, state)
    losses = {task: loss for task, loss in measured.items() if loss is not None}
    for task in measured.keys() - losses.keys():
        raise UserError(f"no image that DST measured its losses on has a label for {task}: raise dst.probe_images")
    schedule = None if at.schedule is None else dst.State(*at.schedule)
    num_steps = run.num_batches if run.config.dst.period == "step" else None
    schedule, decided = gating.plan_epoch(
        run.dropping, schedule, losses, run.static, run.config.seed, run.control, num_steps
    )
    files.append_line(run.folder / DST, decided.line)
    spent = at.seconds + time.monotonic() - began
    return at._replace(P=decided.P, schedule=list(schedule), seconds=spent)


def finish(run: Run, state: TrainState, at: Progress) -> dict[str, Any]:
    """Reads the test split, once, with the best epoch's parameters; results.json comes last and says "done"."""
    best = checkpoint.load_file(run.folder / CHECKPOINTS / BEST, (state.params, state.buffers))
    params, buffers = best.tree
    test, predictions = score(run, params, buffers, "test")
    results = {
        "method": run_name(run.config),
        "seed": run.config.seed,
        "tasks": list(run.model.tasks),
        "split_sizes": {split: len(rows) for split, rows in run.rows.items()},
        "best_epoch": at.best_epoch,
        "epochs": run.config.train.epochs,
        "train_seconds": at.seconds,
        "images_per_second": run.config.train.epochs * run.num_batches * run.config.train.batch_size / at.step_seconds,
        "device": provenance.device_name(run.device),
        "versions": provenance.versions(),
        "valid": score(run, params, buffers, "valid")[0],
        "test": test,
    }
    files.write_arrays(run.folder / PREDICTIONS, predictions)
    files.write_arrays(run.folder / EXAMPLES, show_examples(run, params, buffers, predictions))
    files.write_json(run.folder / RESULTS, results)
    checkpoint.keep_newest(run.folder / CHECKPOINTS, 1)
    return results


def epoch_gates(run: Run, at: Progress) -> list[dict[str, bool]]:
    """The gates of the batches that are left of the epoch: task -> on or off, for each batch."""
    assert at.P is not None, "an epoch is planned before it is trained"
    numbers = range(at.batch, run.num_batches)
    if run.dropping is None:
        return [dict.fromkeys(run.model.tasks, True)] * len(numbers)
    if run.config.dst.period == "epoch":
        return [gating.draw_gates(run.dropping, at.P, run.config.seed, at.epoch)[0]] * len(numbers)
    return [gating.draw_gates(run.dropping, at.P, run.config.seed, at.epoch, number)[0] for number in numbers]


def epoch_batches(run: Run, at: Progress) -> Iterator[Batch]:
    """The batches that are left of the epoch."""
    data, train = run.config.data, run.config.train
    return train_batches(
        run.pack,
        run.rows["train"],
        run.config.seed,
        at.epoch,
        train.batch_size,
        data.max_shift,
        run.device,
        first=at.batch,
        flip=data.flip,
    )


def zero_sums(run: Run) -> Sums:
    """The sums before an epoch's first step."""
    num_tasks = len(run.model.tasks)
    zeros_K = torch.zeros(num_tasks, dtype=torch.float64, device=run.device)
    return Sums(
        zeros_K,
        zeros_K.clone(),
        {level: alignment.zero(num_tasks, run.device) for level in run.levels},
        torch.full((), -1, dtype=torch.int64, device=run.device),
    )


def add(sums: Sums, metrics: Metrics, batch: Batch, step: Tensor) -> Sums:
    """Adds one step's metrics, and notes the step if it is the first with a loss that is not finite."""
    losses_K = stack_losses(metrics.losses)
    labelled_K = mask_matrix(batch, tuple(metrics.losses)).sum(0).double()
    return Sums(
        sums.losses_K + losses_K * labelled_K,
        sums.num_labelled_K + labelled_K,
        {level: alignment.add(so_far, metrics.gramians[level]) for level, so_far in sums.alignments.items()},
        torch.where((sums.bad_step < 0) & ~torch.isfinite(losses_K).all(), step, sums.bad_step),
    )


def check_finite(sums: Sums) -> None:
    """Stops a run whose loss is not finite, naming the step.

    Raises:
      UserError: at the first log line, or end of an epoch, after it happened.
    """
    step = int(sums.bad_step)
    if step >= 0:
        raise UserError(
            f"the loss of step {step} is not finite: lower train.learning_rate and start in a new --workdir"
        )


def step_line(
    epoch: int, step: int, metrics: Metrics, before: dict[str, Tensor], after: dict[str, Tensor]
) -> dict[str, Any]:
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


def save(run: Run, state: TrainState, sums: Sums, at: Progress) -> None:
    """Writes a checkpoint that knows how long the logs are, so that a resumed run cuts what it will write again."""
    sizes = {}
    for name in LOGS:
        path = run.folder / name
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[name] = path.stat().st_size
    step = (at.epoch - 1) * run.num_batches + at.batch
    checkpoint.save(run.folder / CHECKPOINTS, step, (state, sums), {"at": at._asdict(), "log_bytes": sizes})


def _cut_logs(run: Run, sizes: dict[str, int]) -> None:
    for name in LOGS:
        path, size = run.folder / name, sizes.get(name, 0)
        if path.is_file() and path.stat().st_size > size:
            os.truncate(path, size)
