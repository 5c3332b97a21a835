"""One run: fit(settings, workdir) -> (state, results).

  plan epoch -> steps -> validate -> checkpoint, for each epoch; then test with the best epoch's parameters

A run is a pure function of its settings. Killed at any moment, the same call goes on from the newest checkpoint
and ends with the same bits: what it needs is the state, the position (epoch, batch) and the lengths of its logs.
Asked to end (`mtl.processes.stopping`), it does so after its step, and saves before; one of several processes does not.
"""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

from mtl import dst, gating
from mtl.errors import UserError
from mtl.gradients import alignment
from mtl.metrics import overall
from mtl.processes import stopping
from mtl.progress import progress as show_progress
from mtl.record import files, locks, tensorboard
from mtl.record.paths import BEST, CHECKPOINTS, DST, EXAMPLES, LOGITS, METRICS, PREDICTIONS, RESULTS, run_folder
from mtl.state import TrainState
from mtl.statistics.decisions import choose_decisions, describe_decisions
from mtl.statistics.half import write_logits
from mtl.statistics.predictions import of_arrays
from mtl.training import checkpoint, finite, provenance
from mtl.training.epoch import epoch_batches, epoch_gates
from mtl.training.evaluation import mean_losses, probe, score
from mtl.training.examples import show_examples
from mtl.training.leaving import leave_model
from mtl.training.logs import step_line
from mtl.training.resuming import Progress, no_sums, num_steps, resume, save
from mtl.training.run import Run, finished, prepare
from mtl.training.settings import RunSettings
from mtl.training.sums import Sums, add
from mtl.world import ALONE, World


def fit(settings: RunSettings, workdir: Path, world: World = ALONE) -> tuple[TrainState, dict[str, Any]]:
    """Trains one run into WORKDIR/<variant or method>/seed_<seed>, or goes on where it was.

    Args:
      settings: from `mtl.config.read_run`.
      workdir: of the study.
      world: the processes that train it together, of which this is the first; the others `follow`.

    Returns:
      (the state after the last step, what results.json holds).

    Raises:
      UserError: for a mistake in the settings or the data, for a loss, gradient or parameter that is not finite, and
        at once if another process is at work on this run.
    """
    with locks.hold(run_folder(workdir, settings.name, settings.seed)):
        return _fit(world.tell(settings), workdir, world)


def follow(workdir: Path, world: World) -> None:
    """Trains each run that the first process trains, until that tells None."""
    while (settings := world.tell(None)) is not None:
        _fit(settings, workdir, world)


def _fit(settings: RunSettings, workdir: Path, world: World) -> tuple[TrainState, dict[str, Any]]:
    run, state = prepare(settings, workdir, world)
    state, sums, at = resume(run, state)
    if world.rank == 0 and settings.train.tensorboard:
        tensorboard.rewrite(run.folder)
    results = world.tell(finished(settings, workdir))
    if results is not None:
        return state, results
    num_epochs = settings.train.epochs
    label, stream = f"{settings.name}, seed {settings.seed}", None if world.rank == 0 else StringIO()
    with stopping.deferring() if world.size == 1 else nullcontext():
        with show_progress(label, num_epochs * run.data.num_batches, stream, start=num_steps(run, at)) as show:
            while at.epoch <= num_epochs:
                if at.gates is None:
                    at = plan(run, state, at)
                state, sums, at = train_steps(run, state, sums, at, show)
                state, sums, at = close_epoch(run, state, sums, at)
        return state, finish(run, state, at)


def train_steps(
    run: Run, state: TrainState, sums: Sums, at: Progress, show: Callable[..., None]
) -> tuple[TrainState, Sums, Progress]:
    """Trains on what is left of the epoch's batches, logging and writing a checkpoint now and then."""
    before, began, train = at, time.monotonic(), run.settings.train
    train_step, skips = run.steps.train[train.sizes[at.epoch - 1]], train.on_nonfinite == "skip"
    last_saved = began
    for batch, gates in zip(epoch_batches(run, at), epoch_gates(run, at), strict=True):
        is_logged = (num_steps(run, at) + 1) % train.log_every == 0
        # The step may write over the parameters.
        previous = {name: value.clone() for name, value in state.params.trunk.items()} if is_logged else None
        kept = (finite.keep(state), sums) if skips else None
        on = {task: run.switches[gate] for task, gate in gates.items()}
        state, metrics = train_step(state, batch, on, sum(gates.values()), at.batch)
        sums = add(sums, metrics, state.step)
        at = at._replace(batch=at.batch + 1)
        done = num_steps(run, at)
        looks = is_logged or finite.looks_at_each_step(run)
        bad = finite.find_bad(run, state, sums, done, with_parameters=is_logged or skips) if looks else None
        if bad is not None and kept is not None:
            finite.skip(run, bad, at.num_skipped)
            state, sums = kept[0]._replace(step=state.step), kept[1]
            at = at._replace(num_skipped=at.num_skipped + 1)
        elif bad is not None:
            finite.stop(run, bad)
        elif previous is not None:
            log(run, METRICS, step_line(at.epoch, done, metrics, previous, state.params.trunk))
        now, is_last = time.monotonic(), at.batch == run.data.num_batches
        if stopping.is_asked() or (now - last_saved > train.checkpoint_seconds and not is_last):
            finite.check(run, state, sums, done)
            save(run, state, sums, spend(at, before, now - began))
            stopping.leave_if_asked()
            last_saved = now
        show(done, f"epoch {at.epoch}/{train.epochs}")
    finite.check(run, state, sums, num_steps(run, at))  # waits for the device, so the time is that of finished steps
    return state, sums, spend(at, before, time.monotonic() - began)


def spend(at: Progress, before: Progress, seconds: float) -> Progress:
    """Books the seconds since `before` that went into training steps."""
    return at._replace(seconds=before.seconds + seconds, step_seconds=before.step_seconds + seconds)


def close_epoch(run: Run, state: TrainState, sums: Sums, at: Progress) -> tuple[TrainState, Sums, Progress]:
    """Validates, logs, keeps the parameters if they are the best so far, and writes a checkpoint.

    Where BatchNorm's averages are those of each process's images, all go on with the first one's.
    """
    began = time.monotonic()
    state = state._replace(buffers=run.world.broadcast(state.buffers))
    try:
        valid = score(run, state.params, state.buffers, "valid")[0]
    except stopping.Stopped:
        save(run, state, sums, at)
        raise
    losses = mean_losses(run, sums.losses_K, sums.num_labelled_K)
    is_best = at.best_epoch == 0 or overall(valid) > at.best_accuracy
    if is_best and run.world.rank == 0:
        checkpoint.save_file(run.folder / CHECKPOINTS / BEST, (state.params, state.buffers), {"epoch": at.epoch})
    line = {
        "kind": "epoch",
        "epoch": at.epoch,
        "step": at.epoch * run.data.num_batches,
        "losses": losses,
        "gates": gating.mean_gates(epoch_gates(run, at._replace(batch=0))),
        "gradients": {level: alignment.describe(sums.alignments[level]) for level in run.levels},
        "conflicting": {level: alignment.conflicting(sums.alignments[level]) for level in run.levels},
        "valid": valid,
        "seconds": at.seconds,
    }
    log(run, METRICS, line)
    at = at._replace(
        epoch=at.epoch + 1,
        batch=0,
        gates=None,
        last_losses=losses,
        seen={name: mean_losses(run, of, sums.num_labelled_K) for name, of in sums.extensions.items()},
        best_epoch=at.epoch if is_best else at.best_epoch,
        best_accuracy=overall(valid) if is_best else at.best_accuracy,
        seconds=at.seconds + time.monotonic() - began,
    )
    sums, at = no_sums(run), run.world.tell(at)
    save(run, state, sums, at)
    return state, sums, at


def plan(run: Run, state: TrainState, at: Progress) -> Progress:
    """Decides which tasks are on in the coming epoch, and logs how that came about."""
    if run.dropping is None:
        return at._replace(gates=[dict.fromkeys(run.model.tasks, True)])
    began = time.monotonic()
    running = run.settings.dropping.running
    measured = at.last_losses if running and at.last_losses is not None else probe(run, state, at.epoch)
    losses = {task: loss for task, loss in measured.items() if loss is not None}
    if bad := [task for task, loss in losses.items() if not math.isfinite(loss)]:
        raise UserError(
            f"the loss of {', '.join(bad)}, measured before epoch {at.epoch} of {run.folder}, is not finite: lower the "
            "learning rate and start in a new workdir",
            "learning_rate",
        )
    for task in measured.keys() - losses.keys():
        raise UserError(
            f"no image that DST measured its losses on has a label for {task}: raise probe_images", "probe_images"
        )
    schedule = None if at.schedule is None else dst.State(*at.schedule)
    schedule, decided = gating.plan_epoch(run.dropping, schedule, losses, at.seen)
    log(run, DST, decided.line)
    spent = at.seconds + time.monotonic() - began
    return run.world.tell(at._replace(gates=decided.gates, schedule=list(schedule), seconds=spent))


def finish(run: Run, state: TrainState, at: Progress) -> dict[str, Any]:
    """Reads the test split, once, with the best epoch's parameters; results.json comes last and says "done"."""
    best, train, is_first = (state.params, state.buffers), run.settings.train, run.world.rank == 0
    if is_first:
        best = checkpoint.load_file(run.folder / CHECKPOINTS / BEST, best).tree
    params, buffers = run.world.broadcast(best)
    test, predictions = score(run, params, buffers, "test")
    valid, of_valid = score(run, params, buffers, "valid")
    decisions = choose_decisions(of_arrays(of_valid))
    results = {
        "method": run.settings.name,
        "seed": run.settings.seed,
        "tasks": list(run.model.tasks),
        "split_sizes": {split: len(rows) for split, rows in run.data.rows.items()},
        "best_epoch": at.best_epoch,
        "epochs": train.epochs,
        "train_seconds": at.seconds,
        "images_per_second": train.epochs * run.data.num_batches * train.batch_size / at.step_seconds,
        **({"num_skipped_steps": at.num_skipped} if at.num_skipped else {}),
        "device": provenance.device_name(run.device, run.world.size),
        "versions": provenance.versions(),
        "valid": valid,
        "test": test,
        "decisions": describe_decisions(decisions, of_arrays(predictions)),
    }
    if is_first:
        files.write_arrays(run.folder / PREDICTIONS, predictions)
        write_logits(run.folder / LOGITS, predictions)
        files.write_arrays(run.folder / EXAMPLES, show_examples(run, params, buffers, predictions))
        leave_model(run, params, buffers, results, decisions, of_arrays(predictions))
        checkpoint.keep_newest(run.folder / CHECKPOINTS, 1)
        files.write_json(run.folder / RESULTS, results)
    return run.world.tell(results)


def log(run: Run, name: str, line: files.Line) -> None:
    """Appends a line to one of the run's logs, and to its event file; of several processes the first writes."""
    if run.world.rank == 0:
        files.append_line(run.folder / name, line)
        if run.settings.train.tensorboard:
            tensorboard.append(run.folder, line, (line["epoch"] - 1) * run.data.num_batches)
