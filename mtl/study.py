"""A study: methods x seeds -> runs -> one comparison.

One command trains what is missing. Every figure is recomputed from what the runs wrote, so a study that is run again
only prints; a seed or a method that is added trains just its own runs, and joins those that are there.
"""

from pathlib import Path
from typing import Any

from mtl.record import locks
from mtl.record.files import write_json
from mtl.record.paths import CONFIG, RESULTS
from mtl.statistics import write_results
from mtl.statistics.tables import tables
from mtl.training import provenance
from mtl.training.loop import fit
from mtl.training.run import finished
from mtl.training.settings import StudySettings


def study(settings: StudySettings, workdir: Path) -> str:
    """Trains what is missing of methods x seeds, writes config.json and results.json, and returns the tables.

    Raises:
      UserError: for a mistake in the settings or the data, and at once if another process is at work on it.
    """
    with locks.hold(workdir):
        for run in settings.runs:
            results = finished(run, workdir) or fit(run, workdir)[1]
            _describe(settings, workdir)  # from the first finished run on, --job=report finds what it needs
            print(run_line(results), flush=True)
        results = write_results(workdir, with_comparisons=False)
    return f"{tables(results)}\n\nEverything is in {workdir}: {RESULTS}, and each run in <method>/seed_<seed>/."


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
    return (
        f"{results['method']}, seed {results['seed']}: test accuracy {test['overall_accuracy']:.2%}, "
        f"balanced {test['balanced_accuracy']:.2%}, epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['train_seconds']:.0f} s, {results['images_per_second']:.0f} images/s in training steps"
    )
