"""A study: methods x seeds -> runs -> one comparison.

One command trains what is missing. Every figure is recomputed from what the runs wrote, so a study that is run again
only prints; a seed or a method that is added trains just its own runs, and joins those that are there.
"""

import json
from pathlib import Path
from typing import Any

from mtl import locks, methods
from mtl.config import METHODS
from mtl.errors import UserError
from mtl.record import provenance
from mtl.record.traces import (
    Folders,
    gradient_levels,
    largest_weight_deviations,
    read_drop_rates,
    summarize_dropping,
)
from mtl.statistics import describe, read_predictions, summarize
from mtl.statistics.tables import tables
from mtl.training import checkpoint
from mtl.training.identity import effective
from mtl.training.loop import fit
from mtl.training.run import finished
from mtl.training.settings import StudySettings

PER_RUN = ("method", "variant", "seed")  # the runs of a study differ in these fields, and in options of methods


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
    return f"{tables(results)}\n\nEverything is in {workdir}: results.json, and each run in <method>/seed_<seed>/."


def _describe(settings: StudySettings, workdir: Path) -> None:
    described = {"config": settings.raw, "versions": provenance.versions(), "command": provenance.command()}
    checkpoint.write_json(workdir / "config.json", described | {"revision": provenance.revision()})


def write_results(workdir: Path, with_comparisons: bool) -> dict[str, Any]:
    """Writes results.json from all finished runs of a study, and returns what it holds.

    Args:
      workdir: of the study.
      with_comparisons: adds the differences between methods with their intervals, which takes SciPy.

    Raises:
      UserError: if there is no finished run, or the runs cannot be compared.
    """
    folders = find_runs(workdir)
    predictions = {
        method: {seed: read_predictions(folder / "predictions.npz") for seed, folder in of_method.items()}
        for method, of_method in folders.items()
    }
    rates = read_drop_rates(folders)
    first = _read_json(next(iter(next(iter(folders.values())).values())) / "results.json")
    scores = summarize(predictions, _baselines(workdir, folders)) if with_comparisons else describe(predictions)
    results = scores | {
        "split_sizes": first["split_sizes"],
        "provenance": read_provenance(folders),
        "drop_rates": rates,
        "dropping": {method: summarize_dropping(runs) for method, runs in rates.items()},
        "largest_weight_deviations": largest_weight_deviations(folders, methods.WEIGHTINGS),
        "gradient_levels": gradient_levels(folders, methods.LOOKING_AT_GRADIENTS),
    }
    checkpoint.write_json(workdir / "results.json", results)
    return results


def _baselines(workdir: Path, folders: Folders) -> dict[str, str]:
    """`study.references`, as far as both runs are there; a study from before that field names none."""
    named = _read_json(workdir / "config.json")["config"]["study"].get("references", {})
    return {name: baseline for name, baseline in named.items() if name in folders and baseline in folders}


def read_provenance(folders: Folders) -> dict[str, list[str]]:
    """How the runs were made, each text once: commands, source revisions, devices, versions."""
    configs = [_read_json(folder / "config.json") for runs in folders.values() for folder in runs.values()]
    described = {
        "commands": [config["command"] for config in configs],
        "revisions": [config["revision"] for config in configs],
        "devices": [config["device"] for config in configs],
        "versions": [f"{name} {version}" for config in configs for name, version in config["versions"].items()],
    }
    return {name: list(dict.fromkeys(texts)) for name, texts in described.items()}


def find_runs(workdir: Path) -> Folders:
    """The finished runs of a study, methods in the order of `run.METHODS` and then other names by the alphabet.

    Raises:
      UserError: if there is none, or two runs were trained with different settings.
    """
    folders: Folders = {}
    for path in sorted(workdir.glob("*/seed_*/results.json")):
        results = _read_json(path)
        folders.setdefault(results["method"], {})[results["seed"]] = path.parent
    if not folders:
        raise UserError(f"{workdir} holds no finished run: run --job=study with this --workdir first")
    _check_same_settings(folders)
    order = sorted(folders, key=lambda name: (METHODS.index(name) if name in METHODS else len(METHODS), name))
    return {name: dict(sorted(folders[name].items())) for name in order}


def _check_same_settings(folders: Folders) -> None:
    """Methods share all settings but `PER_RUN`; a variant's own differ, but not between its seeds."""
    seen: dict[str, tuple[Path, dict[str, Any]]] = {}
    for name, of_method in folders.items():
        for folder in of_method.values():
            settings = effective(_read_json(folder / "config.json")["config"])
            settings = {field: value for field, value in settings.items() if not field.startswith(PER_RUN)}
            other, expected = seen.setdefault("" if name in METHODS else name, (folder, settings))
            changed = sorted(k for k in settings.keys() | expected.keys() if settings.get(k) != expected.get(k))
            if changed:
                raise UserError(
                    f"{folder} was trained with {changed[0]} = {settings.get(changed[0])!r} and {other} with "
                    f"{expected.get(changed[0])!r}: they are no study; delete one of them"
                )


def run_line(results: dict[str, Any]) -> str:
    """One run in one line."""
    test = results["test"]
    return (
        f"{results['method']}, seed {results['seed']}: test accuracy {test['overall_accuracy']:.2%}, "
        f"balanced {test['balanced_accuracy']:.2%}, epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['train_seconds']:.0f} s, {results['images_per_second']:.0f} images/s in training steps"
    )


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
