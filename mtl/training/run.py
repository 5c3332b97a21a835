"""What a run is made of: configuration in, everything that is fixed while it lasts out."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ml_collections import ConfigDict
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl import dst, gating, methods
from mtl.data.batches import num_train_batches
from mtl.data.celeba import SPLITS
from mtl.data.fingerprint import Fingerprint, differences, fingerprint
from mtl.data.load import load_pack
from mtl.data.pack import Pack
from mtl.errors import UserError, closest
from mtl.gradients.sources import Source
from mtl.losses import binary
from mtl.models.backbones import architecture, make_backbone
from mtl.models.heads import parse_taps
from mtl.models.images import augment_and_normalize, normalize
from mtl.models.model import Model, Params, in_bfloat16, make_model, separate
from mtl.names import split_names
from mtl.optim import make_optimizer, make_schedule
from mtl.record import provenance
from mtl.state import TrainState
from mtl.training import checkpoint, sourcing
from mtl.training.compile import maybe_compile
from mtl.training.measuring import make_loss_step, make_predict_step, make_saliency_step
from mtl.training.sourcing import SourcedStep, Sourcing, Step
from mtl.training.step import init_state, make_train_step

METHODS = ("joint", "single_task", *methods.METHODS, *gating.DROPPING)
# Fields that change nothing of a run's numbers: a run may go on with others than it began with.
WITHOUT_EFFECT = ("study", "data.cache", "data.num_workers", "train.log_every", "train.checkpoint_seconds")


class Run(NamedTuple):
    """What is fixed while a run lasts."""

    config: ConfigDict
    folder: Path
    device: torch.device
    pack: Pack
    rows: dict[str, np.ndarray]  # split -> rows of the pack
    model: Model
    majority_K: np.ndarray  # bool, each task's more frequent class in the training split
    dropping: str | None  # one of gating.DROPPING
    static: dst.Static
    control: list[float] | None  # random_drop's probability per epoch
    num_batches: int  # per epoch
    levels: tuple[str, ...]  # where inner products of gradients are measured
    switches: dict[bool, Tensor]  # a gate as Python knows it -> on the device, so that a step waits for no copy
    train_step: SourcedStep
    loss_step: Callable[..., dict[str, Tensor]]
    predict_step: Callable[..., dict[str, Tensor]]
    saliency_step: Callable[..., Tensor]


def run_folder(workdir: Path, name: str, seed: int) -> Path:
    """Where a run of a study leaves its files; `name` is that of its variant or method."""
    return workdir / name / f"seed_{seed}"


def run_name(config: ConfigDict) -> str:
    """What a run is called in a study: its variant's name, or its method's, with "dst_" before it if DST is added."""
    added = config.dst.enabled and config.method not in gating.DROPPING
    return config.variant or (f"dst_{config.method}" if added else config.method)


def dropping(config: ConfigDict) -> str | None:
    """The scheme of `gating.DROPPING` by which a run drops tasks; None if it drops none."""
    if config.method in gating.DROPPING:
        return config.method
    return "dst" if config.dst.enabled else None


def prepare(config: ConfigDict, workdir: Path) -> tuple[Run, TrainState]:
    """Checks the configuration, opens the data and builds the network; writes only config.json, and that last.

    Raises:
      UserError: for a mistake in the configuration or the data, and if this run, or another of the same study, was
        begun with another configuration or on other data.
    """
    _check(config)
    device = find_device(config.train.device)
    folder = run_folder(workdir, run_name(config), config.seed)
    _check_same_run(config, folder)
    pack = load_pack(config.data)
    found = fingerprint(pack)
    _check_same_data(config, found, workdir)
    tasks = pack.table.attributes
    rows = {name: np.flatnonzero(pack.table.split == index) for index, name in enumerate(SPLITS)}
    num_batches = num_train_batches(len(rows["train"]), config.train.batch_size)
    model, params, buffers = _make_networks(config, tasks, device)
    static = dst.Static(
        {task: float(model.depths[task]) for task in tasks},
        count_samples(pack, rows["train"], config.dst.count),
        gating.single_metric(config.method, dst_weights(config.dst.weights)),
        config.dst.beta,
    )
    dst.check(static)
    _warn_of_single_classes(pack, rows["train"])
    control = None
    if config.method == "random_drop":
        control = gating.read_control(run_folder(workdir, "dst", config.seed), config.train.epochs)

    train = config.train
    num_steps, num_warmup_steps = train.epochs * num_batches, round(train.warmup_epochs * num_batches)
    optimizer = make_optimizer(train.optimizer, train.momentum, train.weight_decay)
    schedule = make_schedule(train.schedule, train.learning_rate, num_steps, num_warmup_steps)
    balances = config.method in methods.METHODS  # dropping schemes and single-task networks sum the losses
    options = config.methods.get(config.method, ConfigDict()).to_dict() if balances else {}
    method = methods.make_method(config.method if balances else "joint", options)
    params, buffers = tree_map(lambda tensor: tensor.to(device), (params, buffers))
    sources = Sourcing(**config.gradients)
    level = sourcing.find_level(sources.level, method)
    sourcing.check(sources, method, dropping(config) is not None and config.dst.period == "step")
    if config.method == "single_task" and level == "parameters":
        raise UserError("single-task networks share no parameters: leave gradients.level at auto")

    def make_step(source: Source) -> Step:
        step = make_train_step(model, optimizer, schedule, method, source, augment_and_normalize)
        return maybe_compile(step, train.compile, device)

    inputs_shape = (train.batch_size, 3, config.data.image_size, config.data.image_size)
    run = Run(
        config=config,
        folder=folder,
        device=device,
        pack=pack,
        rows=rows,
        model=model,
        majority_K=majority(pack, rows["train"]),
        dropping=dropping(config),
        static=static,
        control=control,
        num_batches=num_batches,
        levels=("features",) if level == "features" else ("features", level),
        switches={gate: torch.tensor(gate, device=device) for gate in (False, True)},
        train_step=sourcing.make_sourced_step(model, method, sources, params, buffers, inputs_shape, make_step),
        loss_step=maybe_compile(make_loss_step(model, normalize), train.compile, device),
        predict_step=maybe_compile(make_predict_step(model, normalize), train.compile, device),
        saliency_step=make_saliency_step(model, normalize),  # runs once: not worth a compilation
    )
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.write_json(folder / "config.json", _describe(run, found))
    return run, init_state(model, params, buffers, optimizer, method)


def _make_networks(
    config: ConfigDict, tasks: tuple[str, ...], device: torch.device
) -> tuple[Model, Params, dict[str, Tensor]]:
    options = config.model
    image_size = config.data.image_size
    stages = architecture(options.backbone, image_size).stages
    taps = parse_taps(split_names(options.taps), tasks, deepest=list(stages)[-1])
    read = tuple(dict.fromkeys(taps.values()))
    trunk = make_backbone(options.backbone, read, options.weights, config.seed, options.width, image_size)
    kinds = dict.fromkeys(tasks, binary())
    model, params, buffers = make_model(trunk, kinds, taps, options.head, options.hidden, config.seed + 1)
    if config.train.precision == "bfloat16":
        model = in_bfloat16(model)
    if config.method == "single_task":
        # On a CPU a batched convolution of K networks is slower than K convolutions (benchmarks/single_task.py).
        return separate(model, params, buffers, at_once=device.type != "cpu")
    return model, params, buffers


def finished(config: ConfigDict, workdir: Path) -> dict[str, Any] | None:
    """What results.json holds of this very run, None while it is not finished.

    Raises:
      UserError: if its folder holds a run of another configuration.
    """
    folder = run_folder(workdir, run_name(config), config.seed)
    _check_same_run(config, folder)
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.is_file() else None


def find_device(name: str) -> torch.device:
    """The device of `train.device`; "auto" is CUDA where there is one.

    Raises:
      UserError: for a name that torch does not know, or a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"train.device is {name!r}, which torch cannot use here; try auto or cpu") from error


def majority(pack: Pack, rows: np.ndarray) -> np.ndarray:
    """Each task's more frequent class among the known labels of `rows`: [K] bool."""
    labels, mask = pack.table.labels[rows], pack.table.mask[rows]
    return 2 * (labels & mask).sum(axis=0) > mask.sum(axis=0)


def count_samples(pack: Pack, rows: np.ndarray, kind: str) -> dst.PerTask:
    """c_t: task -> annotated training samples, or with kind "positives" only those that have the attribute."""
    if kind not in ("annotated", "positives"):
        raise UserError(f"dst.count is {kind!r}; choose annotated or positives")
    mask = pack.table.mask[rows]
    counted = mask if kind == "annotated" else mask & pack.table.labels[rows]
    return dict(zip(pack.table.attributes, counted.sum(axis=0).astype(float).tolist(), strict=True))


def dst_weights(weights: ConfigDict) -> dst.Weights:
    """The lambdas of `dst.weights` under the paper's letters."""
    return dst.Weights(
        d=weights.depth,
        c=weights.count,
        u=weights.incompleteness,
        r=weights.stagnancy,
        b=weights.regularization,
    )


def _check(config: ConfigDict) -> None:
    if config.method not in METHODS:
        raise UserError(f"method is {config.method!r}, {closest(config.method, METHODS)}")
    for name, chosen, choices in (
        ("dst.measure", config.dst.measure, ("probe", "running")),
        ("dst.period", config.dst.period, gating.PERIODS),
        ("train.precision", config.train.precision, ("float32", "bfloat16")),
    ):
        if chosen not in choices:
            raise UserError(f"{name} is {chosen!r}; choose {' or '.join(choices)}")
    for name, value, least in (
        ("train.epochs", config.train.epochs, 1),
        ("train.batch_size", config.train.batch_size, 2),
        ("train.log_every", config.train.log_every, 1),
        ("data.max_shift", config.data.max_shift, 0),
        ("seed", config.seed, 0),
    ):
        if value < least:
            raise UserError(f"{name} is {value}; it must be at least {least}")


def _check_same_run(config: ConfigDict, folder: Path) -> None:
    path = folder / "config.json"
    if not path.is_file():
        return
    before, now = (effective(values) for values in (json.loads(path.read_text())["config"], config.to_dict()))
    changed = _changed(before, now)
    if changed:
        name = changed[0]
        raise UserError(
            f"{folder} holds a run with {name} = {before.get(name)!r}, not {now.get(name)!r}: "
            "choose another --workdir, or delete that folder"
        )


def _check_same_data(config: ConfigDict, now: Fingerprint, workdir: Path) -> None:
    """The runs of a study, and a run that goes on, have the same data; a run without a fingerprint is an older one."""
    settings = effective(config.to_dict())
    for path in sorted(workdir.glob("*/seed_*/config.json")):
        described = json.loads(path.read_text())
        if "fingerprint" in described:
            changed = _changed(effective(described["config"]), settings)
            fields = {name.removeprefix("data.") for name in changed if name.startswith("data.")}
            if differing := differences(described["fingerprint"], now, fields):
                raise UserError(
                    f"{path.parent} was begun on other data than is there now, what differs being "
                    f"{' and '.join(differing)}: put the data back as it was, or choose another --workdir"
                )


def _changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def effective(config: dict[str, Any]) -> dict[str, Any]:
    """Flattens a configuration to "section.field" -> JSON value, without what has no effect on a run."""
    flat: dict[str, Any] = {}
    others = tuple(f"methods.{name}" for name in methods.METHODS if name != config["method"])

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        elif not prefix.startswith(WITHOUT_EFFECT + others):
            flat[prefix] = json.loads(json.dumps(value))

    visit("", config)
    return flat


def _describe(run: Run, found: Fingerprint) -> dict[str, Any]:
    return {
        "config": run.config.to_dict(),
        "tasks": list(run.model.tasks),
        "skipped_images": list(run.pack.skipped),
        "num_skipped_images": len(run.pack.skipped),
        "fingerprint": found,
        "versions": provenance.versions(),
        "device": provenance.device_name(run.device),
        "command": provenance.command(),
        "revision": provenance.revision(),
    }


def _warn_of_single_classes(pack: Pack, rows: np.ndarray) -> None:
    labels, mask = pack.table.labels[rows], pack.table.mask[rows]
    for task, positives, negatives in zip(
        pack.table.attributes, (labels & mask).sum(axis=0), (~labels & mask).sum(axis=0), strict=True
    ):
        if positives == 0 or negatives == 0:
            only = "present" if positives else "absent"
            print(
                f"warning: {task} is {only} in every labelled training image; nothing can be learnt of it",
                file=sys.stderr,
            )
