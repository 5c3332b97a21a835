"""One run: fit(config, workdir) -> (state, results).

  plan epoch -> steps -> validate -> checkpoint, for each epoch; then test with the best epoch's parameters

A run is a pure function of its configuration. Killed at any moment, the same call goes on from the newest checkpoint
and ends with the same bits: what it needs is the state, the position (epoch, batch) and the lengths of its logs.
"""

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ml_collections import ConfigDict
from torch import Tensor

from mtl import checkpoint, dst, gating, provenance
from mtl.data.batches import Batch, evaluation_batches, train_batches
from mtl.errors import UserError
from mtl.metrics import evaluate
from mtl.models.model import Params
from mtl.progress import progress as show_progress
from mtl.run import Run, majority, prepare
from mtl.step import Metrics, TrainState, norm

LOGS = ("metrics.jsonl", "dst.jsonl")


class Sums(NamedTuple):
    """Sums over an epoch's steps so far, on the device."""

    losses: dict[str, Tensor]  # float64
    gramian_KK: Tensor  # float64
    bad_step: Tensor  # int64: the first step with a loss that is not finite, -1 while there is none


class Progress(NamedTuple):
    """Where a run stands, as JSON-able values.

    Attributes:
      epoch, batch: the next batch to train on; epochs count from 1, batches from 0.
      gates: of this epoch; None before it is planned.
      schedule: dst.State as a list, None before the first epoch.
      last_losses: mean training losses of the epoch before.
      best_epoch, best_accuracy: by overall accuracy on the validation split.
      seconds, step_seconds: spent so far, all in all and in training steps.
    """

    epoch: int = 1
    batch: int = 0
    gates: dict[str, bool] | None = None
    schedule: list[Any] | None = None
    last_losses: dict[str, float] | None = None
    best_epoch: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    step_seconds: float = 0.0


def fit(config: ConfigDict, workdir: Path) -> tuple[TrainState, dict[str, Any]]:
    """Trains `config.method` with `config.seed` into WORKDIR/<method>/seed_<seed>, or goes on where it was.

    Args:
      config: see configs/default.py.
      workdir: of the study.

    Returns:
      (the state after the last step, what results.json holds).

    Raises:
      UserError: for a mistake in the configuration or the data, and for a loss that is not finite.
    """
    run, state = prepare(config, workdir)
    template = (state, zero_sums(run))
    found = checkpoint.load_newest(run.folder / "checkpoint", template)
    if (run.folder / "results.json").is_file() and found is not None:
        return found.tree[0], json.loads((run.folder / "results.json").read_text())
    (state, sums), at, log_bytes = template, Progress(), {}
    if found is not None:
        (state, sums), at, log_bytes = found.tree, Progress(**found.progress["at"]), found.progress["log_bytes"]
    _truncate_logs(run, log_bytes)

    total, done = config.train.epochs * run.num_batches, (at.epoch - 1) * run.num_batches + at.batch
    with show_progress(f"{config.method}, seed {config.seed}", total, start=done) as show:
        while at.epoch <= config.train.epochs:
            state, sums, at = train_epoch(run, state, sums, at, show)
    results = finish(run, state, at)
    return state, results


def train_epoch(
    run: Run, state: TrainState, sums: Sums, at: Progress, show: Callable[..., None]
) -> tuple[TrainState, Sums, Progress]:
    """Trains one epoch, or what is left of it, validates, and writes logs and checkpoints."""
    began, last_saved = time.monotonic(), time.monotonic()
    if at.gates is None:
        at = plan(run, state, at)
    planned = at.gates or {}
    gates = {task: torch.tensor(gate, device=run.device) for task, gate in planned.items()}
    spent = at
    steps_began = time.monotonic()
    for batch in epoch_batches(run, at):
        previous = state.params.trunk
        state, metrics = run.train_step(state, batch, gates)
        sums = add(sums, metrics, state.step)
        at = at._replace(
            batch=at.batch + 1,
            seconds=spent.seconds + time.monotonic() - began,
            step_seconds=spent.step_seconds + time.monotonic() - steps_began,
        )
        done = (at.epoch - 1) * run.num_batches + at.batch
        if done % run.config.train.log_every == 0:
            check_finite(sums)
            log(run, "metrics.jsonl", step_line(at.epoch, done, metrics, previous, state.params.trunk))
        if at.batch < run.num_batches and time.monotonic() - last_saved > run.config.train.checkpoint_seconds:
            save(run, state, sums, at)
            last_saved = time.monotonic()
        show(done, f"epoch {at.epoch}/{run.config.train.epochs}")
    check_finite(sums)
    at = at._replace(step_seconds=spent.step_seconds + time.monotonic() - steps_began)

    valid = score(run, state.params, state.buffers, "valid")[0]
    train_losses = {task: value.item() / run.num_batches for task, value in sums.losses.items()}
    better = valid["overall_accuracy"] > at.best_accuracy
    log(
        run,
        "metrics.jsonl",
        {
            "kind": "epoch",
            "epoch": at.epoch,
            "step": at.epoch * run.num_batches,
            "losses": train_losses,
            "gates": {task: int(gate) for task, gate in planned.items()},
            "gramian": (sums.gramian_KK / run.num_batches).tolist(),
            "valid": valid,
            "seconds": spent.seconds + time.monotonic() - began,
        },
    )
    if better:
        checkpoint.save_file(run.folder / "checkpoint" / "best.pt", (state.params, state.buffers), {"epoch": at.epoch})
    at = at._replace(
        epoch=at.epoch + 1,
        batch=0,
        gates=None,
        last_losses=train_losses,
        best_epoch=at.epoch if better else at.best_epoch,
        best_accuracy=valid["overall_accuracy"] if better else at.best_accuracy,
        seconds=spent.seconds + time.monotonic() - began,
    )
    sums = zero_sums(run)
    save(run, state, sums, at)
    return state, sums, at


def plan(run: Run, state: TrainState, at: Progress) -> Progress:
    """Decides which tasks are on in the coming epoch, and logs how that came about."""
    if run.config.method == "joint":
        return at._replace(gates=gating.plan_joint(run.model.tasks).gates)
    running = run.config.dst.measure == "running"
    losses = at.last_losses if running and at.last_losses is not None else probe(run, state)
    schedule = None if at.schedule is None else dst.State(*at.schedule)
    schedule, decided = gating.plan_epoch(run.config.method, schedule, losses, run.static, run.config.seed, run.control)
    assert decided.line is not None
    log(run, "dst.jsonl", decided.line)
    return at._replace(gates=decided.gates, schedule=list(schedule))


def probe(run: Run, state: TrainState) -> dict[str, float]:
    """V: each task's mean training loss on a fixed probe of the training split, without an update.

    Raises:
      UserError: if the probe has no labelled image of a task.
    """
    batch_size = run.config.train.batch_size
    order = np.random.default_rng(np.random.SeedSequence([4, run.config.seed])).permutation(run.rows["train"])
    num_images = max(batch_size, min(run.config.dst.probe_images, len(order)) // batch_size * batch_size)
    sums = torch.zeros(len(run.model.tasks), dtype=torch.float64, device=run.device)
    counts = torch.zeros_like(sums)
    for batch in evaluation_batches(run.pack, np.sort(order[:num_images]), batch_size, run.device):
        losses = run.loss_step(state.params, state.buffers, batch)
        labelled = batch.mask_BK.sum(0).double()
        sums += torch.stack(list(losses.values())).double() * labelled
        counts += labelled
    for task, number in zip(run.model.tasks, counts.tolist(), strict=True):
        if number == 0:
            raise UserError(
                f"none of the {num_images} images of DST's probe has a label for {task}: raise dst.probe_images"
            )
    return dict(zip(run.model.tasks, (sums / counts).tolist(), strict=True))


def score(
    run: Run, params: Params, buffers: dict[str, Tensor], split: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores a split: (what results.json says of it, what predictions.npz holds)."""
    rows = run.rows[split]
    logits = [
        run.predict_step(params, buffers, batch.images_BCHW)
        for batch in evaluation_batches(run.pack, rows, run.config.train.batch_size, run.device)
    ]
    table = run.pack.table
    predictions = {
        "logits": torch.cat(logits)[: len(rows)].cpu().numpy(),
        "labels": table.labels[rows],
        "mask": table.mask[rows],
        "ids": table.ids[rows],
        "identity": table.identity[rows],
        "tasks": np.array(table.attributes),
    }
    majority_K = majority(run.pack, run.rows["train"])
    scores = evaluate(table.attributes, predictions["logits"], predictions["labels"], predictions["mask"], majority_K)
    return scores, predictions


def finish(run: Run, state: TrainState, at: Progress) -> dict[str, Any]:
    """Reads the test split, once, with the best epoch's parameters; results.json comes last and says "done"."""
    best = checkpoint.load_file(run.folder / "checkpoint" / "best.pt", (state.params, state.buffers))
    params, buffers = best.tree
    test, predictions = score(run, params, buffers, "test")
    results = {
        "method": run.config.method,
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
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **predictions)
    checkpoint.write_atomically(run.folder / "predictions.npz", lambda file: file.write(buffer.getvalue()))
    checkpoint.write_json(run.folder / "results.json", results)
    checkpoint.keep_newest(run.folder / "checkpoint", 1)
    return results


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
    tasks, device = run.model.tasks, run.device
    return Sums(
        {task: torch.zeros((), dtype=torch.float64, device=device) for task in tasks},
        torch.zeros(len(tasks), len(tasks), dtype=torch.float64, device=device),
        torch.full((), -1, dtype=torch.int64, device=device),
    )


def add(sums: Sums, metrics: Metrics, step: Tensor) -> Sums:
    """Adds one step's metrics, and notes the step if it is the first with a loss that is not finite."""
    finite = torch.isfinite(torch.stack(list(metrics.losses.values()))).all()
    return Sums(
        {task: total + metrics.losses[task] for task, total in sums.losses.items()},
        sums.gramian_KK + metrics.gramian_KK,
        torch.where((sums.bad_step < 0) & ~finite, step, sums.bad_step),
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
        "learning_rate": metrics.learning_rate.item(),
        "gradient_norm": metrics.gradient_norm.item(),
        "parameter_norm": norm(after.values()).item(),
        "update_norm": norm(after[name] - value for name, value in before.items()).item(),
    }


def log(run: Run, name: str, line: dict[str, Any]) -> None:
    """Appends one line of JSON to a log of the run."""
    with (run.folder / name).open("a") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")


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
    checkpoint.save(run.folder / "checkpoint", step, (state, sums), {"at": at._asdict(), "log_bytes": sizes})


def _truncate_logs(run: Run, sizes: dict[str, int]) -> None:
    for name in LOGS:
        path = run.folder / name
        if path.is_file():
            os.truncate(path, sizes.get(name, 0))
