"""A study: methods x seeds -> runs -> one comparison.

One command trains what is missing. Every figure is recomputed from what the runs wrote, so a study that is run again
only prints; a seed or a method that is added trains just its own runs, and joins those that are there.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from mtl import locks
from mtl.errors import UserError
from mtl.names import split_names
from mtl.record.files import write_json
from mtl.record.paths import CONFIG
from mtl.statistics import write_results
from mtl.statistics.tables import tables
from mtl.training import provenance
from mtl.training.loop import fit
from mtl.training.run import METHODS, finished


def study(config: ConfigDict, workdir: Path) -> str:
    """Trains what is missing of methods x seeds, writes config.json and results.json, and returns the tables.

    Raises:
      UserError: for a mistake in the configuration or the data, and at once if another process is at work on it.
    """
    names = order_methods(split_names(config.study.methods), list(config.study.variants))
    seeds = tuple(config.study.seeds)
    if not names or not seeds:
        raise UserError(
            "study.methods and study.seeds must name at least one method and one seed, as in ('joint',) (0,)"
        )
    if not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise UserError(f"study.seeds is {seeds}; give whole numbers from 0 up, as in 0,1,2")
    _check_references(config)
    with locks.hold(workdir):
        for seed in seeds:
            for name in names:
                of_this = of_run(config, name, seed)
                results = finished(of_this, workdir) or fit(of_this, workdir)[1]
                _describe(config, workdir)  # from the first finished run on, --job=report finds what it needs
                print(run_line(results), flush=True)
        results = write_results(workdir, with_comparisons=False)
    return f"{tables(results)}\n\nEverything is in {workdir}: results.json, and each run in <method>/seed_<seed>/."


def _describe(config: ConfigDict, workdir: Path) -> None:
    described = {"config": config.to_dict(), "versions": provenance.versions(), "command": provenance.command()}
    write_json(workdir / CONFIG, described | {"revision": provenance.revision()})


def _check_references(config: ConfigDict) -> None:
    for name, baseline in config.study.references.items():
        for each in (name, baseline):
            _check_known("study.references", each, list(config.study.variants))
        if name == baseline:
            raise UserError(f"study.references compares {name} with itself; name another run")


def order_methods(names: tuple[str, ...], variants: Sequence[str] = ()) -> tuple[str, ...]:
    """The order in which methods are trained: as given, but the control after the DST run that it repeats.

    Raises:
      UserError: for a name that is unknown, or that is a method's and a variant's.
    """
    twice = [name for name in variants if name in METHODS]
    if twice:
        raise UserError(f"study.variants has {twice[0]!r}, which is the name of a method; give the variant another")
    for name in names:
        _check_known("study.methods", name, variants)
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name == "random_drop"))


def _check_known(field: str, name: str, variants: Sequence[str]) -> None:
    known = (*METHODS, *variants)
    if name not in known:
        closest = ", ".join(get_close_matches(name, known, n=3, cutoff=0.0))
        raise UserError(
            f"{field} names {name!r}, which is neither a method nor in study.variants; the closest are {closest}"
        )


def single_run(config: ConfigDict) -> ConfigDict:
    """The configuration of the run that `variant`, or `method` where there is none, and `seed` name.

    Raises:
      UserError: if `variant` is not one of `study.variants`.
    """
    variants = list(config.study.variants)
    if config.variant and config.variant not in variants:
        has = ", ".join(variants) or "none"
        raise UserError(f"variant is {config.variant!r}, which is not in study.variants ({has})")
    return of_run(config, config.variant or config.method, config.seed)


def of_run(config: ConfigDict, name: str, seed: int) -> ConfigDict:
    """The configuration of one run of a study; `name` is that of a method, or of one of `study.variants`.

    Raises:
      UserError: if a variant names a field that there is not, or gives it a value of another type.
    """
    copy = config.copy_and_resolve_references()
    copy.seed = seed
    if name not in config.study.variants:
        copy.method = name
        return copy
    copy.variant = name
    try:
        copy.lock().update(config.study.variants[name].to_dict())  # locked: a field that there is not is an error
    except (KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"study.variants.{name} does not fit the configuration: {reason}") from error
    return copy


def run_line(results: dict[str, Any]) -> str:
    """One run in one line."""
    test = results["test"]
    return (
        f"{results['method']}, seed {results['seed']}: test accuracy {test['overall_accuracy']:.2%}, "
        f"balanced {test['balanced_accuracy']:.2%}, epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['train_seconds']:.0f} s, {results['images_per_second']:.0f} images/s in training steps"
    )
