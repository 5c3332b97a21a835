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
from mtl.config.dropping import read_dropping
from mtl.config.fields import split_names
from mtl.config.train import read_train
from mtl.data.load import SOURCES, DataSettings
from mtl.data.pack import CROPS, ON_BAD_IMAGE
from mtl.data.tables.entries import parse_entries
from mtl.errors import UserError, check_choice, closest
from mtl.gradients.levels import LEVELS
from mtl.models.heads import HEADS
from mtl.models.precision import PRECISIONS
from mtl.optim import OPTIMIZERS, SCHEDULES
from mtl.record import tensorboard
from mtl.record.traces import CONTROLS
from mtl.training import sourcing
from mtl.training.compile import MODES
from mtl.training.head_init import HEAD_INITS
from mtl.training.settings import (
    ON_NONFINITE,
    ModelSettings,
    RaySettings,
    RunSettings,
    StudySettings,
)

METHODS = ("joint", "single_task", *methods.METHODS, *gating.DROPPING)


def read_run(config: ConfigDict) -> RunSettings:
    """Reads and checks the configuration of one run.

    Raises:
      UserError: for a field out of its range or choices, and fields that do not go together.
    """
    _check(config)
    balances = config.method in methods.METHODS  # dropping schemes and single-task networks sum the losses
    added = config.dst.enabled and config.method not in gating.DROPPING
    settings = RunSettings(
        name=config.variant or (f"dst_{config.method}" if added else config.method),
        seed=config.seed,
        method=config.method,
        balancing=config.method if balances else "joint",
        options=config.methods.get(config.method, ConfigDict()).to_dict() if balances else {},
        data=read_data(config.data),
        model=ModelSettings(**{**config.model, "taps": split_names(config.model.taps)}),
        train=read_train(config),
        dropping=read_dropping(config),
        sourcing=sourcing.Sourcing(**config.gradients),
        raw=config.to_dict(),
    )
    method = methods.make_method(settings.balancing, settings.options)
    sourcing.check(settings.sourcing, method, settings.dropping.scheme is not None and settings.dropping.per_step)
    return settings


def read_study(config: ConfigDict) -> StudySettings:
    """Reads and checks the configuration of a study: every run of methods x seeds.

    Raises:
      UserError: for a name or a seed that is none, a reference that is not there, and whatever `read_run` refuses.
    """
    names, seeds = order_methods(split_names(config.study.methods), list(config.study.variants)), config.study.seeds
    if not names or not seeds:
        raise UserError("study.methods and study.seeds must name at least one method and seed, as in ('joint',) (0,)")
    if not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise UserError(f"study.seeds is {tuple(seeds)}; give whole numbers from 0 up, as in 0,1,2")
    design.check(config, partial(_check_known, variants=list(config.study.variants)))
    if config.study.num_parallel < 1:
        raise UserError(f"study.num_parallel is {config.study.num_parallel}; it must be at least 1")
    numbers = design.run_numbers(seeds, config.study.folds)
    runs = [read_run(of_run(config, name, number)) for number in numbers for name in names]
    design.check_controls(runs)
    return StudySettings(runs, config.study.num_parallel, _read_ray(config.study.ray), config.to_dict())


def read_data(data: ConfigDict) -> DataSettings:
    """`config.data` with names split at commas and paths that know the home folder.

    Raises:
      UserError: for a field that is none of its choices, or CelebA without data.root.
    """
    check_choice("data.name", data.name, SOURCES)
    check_choice("data.crop", data.crop, CROPS)
    check_choice("data.on_bad_image", data.on_bad_image, ON_BAD_IMAGE)
    if data.name not in ("faces", "drawn", "table") and not data.root:
        raise UserError(f"data.root is not set: give the folder of {data.name}'s files, --config.data.root=DIR")
    names = {field: split_names(data[field]) for field in ("attributes", "label_fractions", "tasks")}
    parse_entries(names["tasks"])
    paths = {field: Path(data[field]).expanduser() for field in ("root", "cache")}
    return DataSettings(**{**data, **names, **paths})


def order_methods(names: tuple[str, ...], variants: Sequence[str] = ()) -> tuple[str, ...]:
    """The order in which methods are trained: as given, but controls after the runs that they repeat.

    Raises:
      UserError: for a name that is unknown, or that is a method's and a variant's.

    Example:
      >>> order_methods(("joint", "random_drop", "dst"))
      ('joint', 'dst', 'random_drop')
    """
    twice = [name for name in variants if name in METHODS]
    if twice:
        raise UserError(f"study.variants has {twice[0]!r}, which is the name of a method; give the variant another")
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

    Example:
      >>> config = ConfigDict({"seed": 0, "method": "joint", "study": {"variants": {}, "folds": 0}})
      >>> of_run(config, "dst", seed=2).to_dict()["method"]
      'dst'
    """
    copy = config.copy_and_resolve_references()
    copy.seed = seed
    if config.study.folds:
        copy.data.fold = design.fold(seed, config.study.folds)
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


def _read_ray(ray: ConfigDict) -> RaySettings:
    for field, least in (("num_cpus", 1), ("num_gpus", 0), ("max_retries", 0)):
        if ray[field] < least:
            raise UserError(f"study.ray.{field} is {ray[field]}; it must be at least {least}")
    return RaySettings(**{**ray, "resources": ray.resources.to_dict()})


def _check(config: ConfigDict) -> None:
    for name, value, choices in (
        ("method", config.method, METHODS),
        ("model.head", config.model.head, HEADS),
        ("model.head_init", config.model.head_init, HEAD_INITS),
        ("train.optimizer", config.train.optimizer, OPTIMIZERS),
        ("train.schedule", config.train.schedule, SCHEDULES),
        ("train.precision", config.train.precision, ("auto", *PRECISIONS)),
        ("train.compile", config.train.compile, MODES),
        ("train.on_nonfinite", config.train.on_nonfinite, ON_NONFINITE),
        ("dst.measure", config.dst.measure, ("probe", "running")),
        ("dst.period", config.dst.period, ("epoch", "step")),
        ("dst.count", config.dst.count, ("annotated", "positives")),
        ("gradients.level", config.gradients.level, LEVELS),
    ):
        check_choice(name, value, choices)
    for name, value, least in (
        ("seed", config.seed, 0),
        ("dst.gates_seed", config.dst.gates_seed, -1),
        ("data.image_size", config.data.image_size, 1),
        ("data.max_shift", config.data.max_shift, 0),
        ("train.epochs", config.train.epochs, 1),
        ("train.batch_size", config.train.batch_size, 2),
        ("train.log_every", config.train.log_every, 1),
        ("train.max_skips", config.train.max_skips, 0),
    ):
        if value < least:
            raise UserError(f"{name} is {value}; it must be at least {least}")
    if config.method == "single_task" and config.gradients.level == "parameters":
        raise UserError("single-task networks share no parameters: leave gradients.level at auto")
    if config.train.tensorboard:
        tensorboard.check_installed()
