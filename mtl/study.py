"""A study: methods x seeds -> runs -> one comparison.

One command trains what is missing. Every figure is recomputed from what the runs wrote, so a study that is run again
only prints; a seed or a method that is added trains just its own runs, and joins those that are there. Several
commands may work on one study, on one machine or on many that share its folder: each run is trained once.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mtl.data.load import load_pack
from mtl.errors import UserError, check_choice
from mtl.launchers import LAUNCHERS
from mtl.launchers.local import at_once, in_turn
from mtl.launchers.on_ray import on_ray
from mtl.launchers.queue import Crew, train_all
from mtl.launchers.shards import Shard, in_shard
from mtl.launchers.torchrun import together
from mtl.models.backbones import architecture
from mtl.record import locks, tensorboard
from mtl.record.files import write_json
from mtl.record.paths import CONFIG, EVENTS, METRICS, RESULTS, run_folder
from mtl.statistics import write_results
from mtl.statistics.tables import tables
from mtl.training import provenance
from mtl.training.loop import fit
from mtl.training.run import finished
from mtl.training.settings import RunSettings, StudySettings
from mtl.world import ALONE, World


def study(
    settings: StudySettings, workdir: Path, launcher: str = "local", shard: Shard | None = None, world: World = ALONE
) -> str:
    """Trains what is missing of methods x seeds, writes config.json and results.json, and returns the tables.

    Args:
      settings: from `mtl.config.read_study`.
      workdir: where everything is written.
      launcher: one of `LAUNCHERS`, see `mtl.launchers`.
      shard: trains only this part of the runs, and leaves those that another process trains; results.json is written
        once all runs of the study are there. Without it, all runs are trained or waited for.
      world: the processes that train each run together, of which this is the first; the others `loop.follow`.

    Raises:
      UserError: for a mistake in the settings or the data.
    """
    check_choice("launcher", launcher, LAUNCHERS)
    runs = settings.runs if shard is None else in_shard(settings.runs, shard)
    if world.size > 1 and (launcher != "local" or settings.num_parallel > 1):
        raise UserError(
            "torchrun's processes train one run after the other: leave the launcher at local, num_parallel at 1",
            "study.num_parallel",
        )
    with _crew(settings, runs, workdir, launcher, world) as crew:
        for results in train_all(runs, crew, waits=shard is None):
            _describe(settings, workdir)  # from the first finished run on, --job=report finds what it needs
            print(run_line(results), flush=True)
    num_finished = sum(finished(run, workdir) is not None for run in settings.runs)
    if num_finished < len(settings.runs):
        return (
            f"Shard {shard} has trained its runs, but for those that other processes train. {num_finished} of "
            f"{len(settings.runs)} runs of the study are finished; the command that ends last prints the tables, and "
            "so does any later one."
        )
    results = write_results(workdir, with_comparisons=False)
    return f"{tables(results)}\n\nEverything is in {workdir}: {RESULTS}, and each run in <method>/seed_<seed>/."


def print_study(settings: StudySettings, workdir: Path, launcher: str, shard: Shard | None) -> None:
    """Does a study, with the processes that torchrun started, if it did, and prints its tables."""

    def job(world: World) -> None:
        say_how_to_watch(settings.runs, workdir)
        print(study(settings, workdir, launcher, shard, world))

    together(job, workdir, settings.runs[0].train.device)


def print_run(settings: RunSettings, workdir: Path) -> None:
    """Trains one run, likewise, and prints its line."""

    def job(world: World) -> None:
        say_how_to_watch([settings], workdir)
        print(run_line(fit(settings, workdir, world)[1]))

    together(job, workdir, settings.train.device)


def say_how_to_watch(runs: Sequence[RunSettings], workdir: Path) -> None:
    """Where event files are, and the command that shows them, if any run writes one."""
    if any(run.train.tensorboard for run in runs):
        command = f"tensorboard --logdir {shlex.quote(str(workdir))}"
        print(f"{EVENTS} beside each run's {METRICS}; watch with: {command}", file=sys.stderr, flush=True)


def train_run(run: RunSettings, workdir: Path, world: World = ALONE) -> dict[str, Any]:
    """The results of a run, which is trained if it is not finished; one that is gets the event file that it lacks."""
    results = finished(run, workdir)
    if results is None:
        return fit(run, workdir, world)[1]
    folder = run_folder(workdir, run.name, run.seed)
    if run.train.tensorboard and not (folder / EVENTS).is_file():
        with locks.hold(folder):
            tensorboard.rewrite(folder)
    return results


@contextmanager
def _crew(
    settings: StudySettings, runs: Sequence[RunSettings], workdir: Path, launcher: str, world: World
) -> Iterator[Crew]:
    """Who trains; others than this process find their data made."""
    train = partial(train_run, workdir=workdir)
    missing = [run for run in runs if finished(run, workdir) is None]
    if not missing or (launcher == "local" and settings.num_parallel == 1):
        yield in_turn(partial(train, world=world))
        return
    for run in missing:
        architecture(run.model.backbone, run.data.image_size)  # a name that is wrong is said before images open
    num_processes = min(settings.num_parallel, len(missing))
    with on_ray(train, settings.ray) if launcher == "ray" else at_once(train, num_processes) as crew:
        for data in dict.fromkeys(run.data for run in missing):
            load_pack(data)
        yield crew


def _describe(settings: StudySettings, workdir: Path) -> None:
    described = {"config": settings.raw, "versions": provenance.versions(), "command": provenance.command()}
    write_json(workdir / CONFIG, described | {"revision": provenance.revision()})


def run_line(results: dict[str, Any]) -> str:
    """One run in one line.

    Example:
      >>> results = {"method": "dst", "seed": 0, "test": {"overall_accuracy": 0.8451, "balanced_accuracy": 0.8}}
      >>> results |= {"best_epoch": 9, "epochs": 10, "train_seconds": 60.0, "images_per_second": 1334.0}
      >>> print(run_line(results))
      dst, seed 0: test accuracy 84.51%, balanced 80.00%, epoch 9 of 10, 60 s, 1334 images/s in training steps
    """
    test = results["test"]
    reached = f"test accuracy {test['overall_accuracy']:.2%}, balanced {test['balanced_accuracy']:.2%}"
    if "overall_score" in test:
        reached = f"test score {test['overall_score']:.2%}"
    return (
        f"{results['method']}, seed {results['seed']}: {reached}, "
        f"epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['train_seconds']:.0f} s, {results['images_per_second']:.0f} images/s in training steps"
    )
