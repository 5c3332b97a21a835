"""The only reader of ConfigDict: what people type becomes typed values, checked, before anything is opened or written.

What lies beneath takes plain values, and its sentences are in the words of its own arguments; `name_field` adds the
field that one was read from.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ml_collections import ConfigDict

from mtl import gating, methods
from mtl.config import design
from mtl.config.check import check_values
from mtl.config.dropping import read_dropping
from mtl.config.fields import split_names
from mtl.config.rules import METHODS
from mtl.config.together import check_data, check_run
from mtl.config.train import read_train
from mtl.data.load import DataSettings
from mtl.errors import UserError, closest
from mtl.record.traces import CONTROLS
from mtl.training import sourcing
from mtl.training.settings import ModelSettings, RaySettings, RunSettings, StudySettings


def read_run(config: ConfigDict) -> RunSettings:
    """Reads and checks the configuration of one run.

    Raises:
      UserError: for a field out of its range or choices, and fields that do not go together.
    """
    raw = check_values(config)
    balances = config.method in methods.METHODS  # dropping schemes and single-task networks sum the losses
    added = config.dst.enabled and config.method not in gating.DROPPING
    settings = RunSettings(
        name=config.variant or (f"dst_{config.method}" if added else config.method),
        seed=config.seed,
        method=config.method,
        balancing=config.method if balances else "joint",
        options=config.methods.get(config.method, ConfigDict()).to_dict() if balances else {},
        data=_read_data(config.data),
        model=ModelSettings(**{**config.model, "taps": split_names(config.model.taps)}),
        train=read_train(config),
        dropping=read_dropping(config),
        sourcing=sourcing.Sourcing(**config.gradients),
        raw=raw,
    )
    check_run(settings)
    return settings


def read_study(config: ConfigDict) -> StudySettings:
    """Reads and checks the configuration of a study: every run of methods x seeds.

    Raises:
      UserError: for a name that is none, a reference that is not there, and whatever `read_run` refuses.
    """
    raw = check_values(config)
    study = config.study
    names, seeds = order_methods(split_names(study.methods), list(study.variants)), tuple(dict.fromkeys(study.seeds))
    if not names or not seeds:
        raise UserError("study.methods and study.seeds must name at least one method and seed, as in ('joint',) (0,)")
    design.check(config, partial(_check_known, variants=list(study.variants)))
    numbers = design.run_numbers(seeds, study.folds)
    runs = [read_run(of_run(config, name, number)) for number in numbers for name in names]
    design.check_controls(runs)
    ray = RaySettings(**{**study.ray, "resources": study.ray.resources.to_dict()})
    return StudySettings(runs, study.num_parallel, ray, raw)


def read_data(config: ConfigDict) -> DataSettings:
    """Reads and checks `config.data`.

    Raises:
      UserError: for a value that its field does not take, and fields that do not go together.
    """
    check_values(config)
    return _read_data(config.data)


def order_methods(names: tuple[str, ...], variants: Sequence[str] = ()) -> tuple[str, ...]:
    """The order in which methods are trained: as given, but controls after the runs that they repeat.

    Raises:
      UserError: for a name that is unknown.

    Example:
      >>> order_methods(("joint", "random_drop", "dst"))
      ('joint', 'dst', 'random_drop')
    """
    for name in names:
        _check_known("study.methods", name, variants)
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name in CONTROLS))


def _check_known(field: str, name: str, variants: Sequence[str]) -> None:
    known = (*METHODS, *variants)
    if name not in known:
        raise UserError(
            f"{field} names {name!r}, which is neither a method nor in study.variants, {closest(name, known)}"
        )


def single_run(config: ConfigDict) -> ConfigDict:
    """The configuration of the run that `variant`, or `method` where there is none, and `seed` name.

    Raises:
      UserError: if `variant` is not one of `study.variants`, and for a value that its field does not take.
    """
    check_values(config)
    variants = list(config.study.variants)
    if config.variant and config.variant not in variants:
        has = ", ".join(variants) or "none"
        raise UserError(f"variant is {config.variant!r}, which is not in study.variants ({has})")
    return of_run(config, config.variant or config.method, config.seed)


def of_run(config: ConfigDict, name: str, seed: int) -> ConfigDict:
    """The configuration of one run of a study; `name` is that of a method, or of one of `study.variants`.

    Raises:
      UserError: if a variant names a field that there is not, or gives it a value of another type.

    Example:
      >>> config = ConfigDict({"seed": 0, "method": "joint", "variant": "", "study": {"variants": {}, "folds": 0}})
      >>> of_run(config, "dst", seed=2).to_dict()["method"]
      'dst'
    """
    copy = config.copy_and_resolve_references()
    copy.seed = seed
    if config.study.folds:
        copy.data.fold = design.fold(seed, config.study.folds)
    if name not in config.study.variants:
        copy.method, copy.variant = name, ""
        return copy
    copy.variant = name
    try:
        copy.lock().update(config.study.variants[name].to_dict())  # locked: a field that there is not is an error
    except (KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"study.variants.{name} does not fit the configuration: {reason}") from error
    return copy


def _read_data(data: ConfigDict) -> DataSettings:
    """Names split at commas, and paths that know the home folder."""
    if data.name not in ("faces", "drawn", "table") and not data.root:
        raise UserError(f"data.root is not set: give the folder of {data.name}'s files, --config.data.root=DIR")
    names = {field: split_names(data[field]) for field in ("attributes", "label_fractions", "tasks")}
    paths = {field: Path(data[field]).expanduser() for field in ("root", "cache")}
    settings = DataSettings(**{**data, **names, **paths})
    check_data(settings)
    return settings
