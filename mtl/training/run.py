"""What a run is made of: settings in, everything that is fixed while it lasts out."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl import dst, gating, methods
from mtl.data.batches import num_train_batches
from mtl.data.fingerprint import Fingerprint, fingerprint
from mtl.data.load import load_pack
from mtl.data.pack import Pack
from mtl.data.table import SPLITS
from mtl.gradients.levels import find_level
from mtl.gradients.sources import Source
from mtl.kinds import BINARY
from mtl.methods.base import Method
from mtl.models.backbones import architecture
from mtl.models.images import at_size, augment_and_normalize, normalize
from mtl.models.model import Model
from mtl.optim import make_optimizer, make_schedule, scale_rates
from mtl.record import files
from mtl.record.paths import CONFIG, RESULTS, run_folder
from mtl.record.reading import read_config, read_results
from mtl.state import TrainState
from mtl.training import distributed, provenance, sourcing
from mtl.training.compile import maybe_compile
from mtl.training.fine_tuning import find_rates
from mtl.training.head_init import find_base_biases
from mtl.training.identity import check_same_data, check_same_run, check_same_study, check_same_weights
from mtl.training.measuring import make_loss_step, make_predict_step, make_saliency_step
from mtl.training.networks import find_device, make_networks
from mtl.training.precision import find_precision
from mtl.training.settings import RunSettings, needed_run
from mtl.training.sourcing import SourcedStep, Step
from mtl.training.starting import describe, read_start
from mtl.training.step import init_state, make_train_step
from mtl.training.tasks import check_positives, guesses, make_tasks
from mtl.world import ALONE, World


class Data(NamedTuple):
    """What a run learns from.

    Attributes:
      pack: pixels and labels.
      rows: split -> rows of the pack.
      guess_K: what the training split suggests without an image, see `mtl.training.tasks.guesses`.
      num_batches: of training, per epoch.
    """

    pack: Pack
    rows: dict[str, np.ndarray]
    guess_K: np.ndarray
    num_batches: int


class Steps(NamedTuple):
    """What runs on the device, each compiled or not; `train` and `loss` for each size of the images, pixels."""

    train: dict[int, SourcedStep]
    loss: dict[int, Callable[..., dict[str, Tensor]]]
    predict: Callable[..., dict[str, Tensor]]
    saliency: Callable[..., Tensor]


class Run(NamedTuple):
    """What is fixed while a run lasts.

    Attributes:
      settings: what it was told.
      folder: where it writes.
      device: where it trains.
      data, model, steps: see there.
      dropping: how it drops tasks; None for a run that drops nothing.
      levels: where inner products of gradients are measured.
      switches: a gate as Python knows it -> on the device, so that a step waits for no copy.
      world: the processes that train it together.
    """

    settings: RunSettings
    folder: Path
    device: torch.device
    data: Data
    model: Model
    steps: Steps
    dropping: gating.Dropping | None
    levels: tuple[str, ...]
    switches: dict[bool, Tensor]
    world: World


def prepare(settings: RunSettings, workdir: Path, world: World = ALONE) -> tuple[Run, TrainState]:
    """Opens the data and builds the network; writes only config.json, and that last.

    Args:
      world: the processes that train it together.

    Raises:
      UserError: for a mistake in the settings or the data, and if this run, or another of the same study, was begun
        with other settings, on other data, or from other weights of the same name.
    """
    folder = run_folder(workdir, settings.name, settings.seed)
    is_longer = check_same_run(settings, folder)
    check_same_study(settings, workdir)
    device = find_device(settings.train.device)
    method = methods.make_method(settings.balancing, settings.options)
    level = find_level(settings.sourcing.level, method)
    sourcing.check(settings.sourcing, method, settings.dropping.scheme is not None and settings.dropping.per_step)
    distributed.check(settings.train, method, world)

    architecture(settings.model.backbone, settings.data.image_size)  # a name that is wrong is said before images open
    weights = read_start(settings.model, settings.data.image_size)
    begun = {} if weights is None else {"weights": describe(weights)}
    check_same_weights(settings, begun, workdir)
    pack = load_pack(settings.data)
    found = fingerprint(pack)
    check_same_data(settings, found, workdir)
    data = _arrange(pack, settings.train.batch_size)
    train = settings.train
    inputs_shape = (train.batch_size // world.size, 3, settings.data.image_size, settings.data.image_size)
    tasks = make_tasks(pack.table, train.losses, device)
    make = partial(make_networks, settings, tasks, device, weights, find_base_biases(pack.table))
    precision = ""
    if world.rank == 0:  # measured alone, so without `world`
        precision = find_precision(train.precision, workdir, make, inputs_shape, device)
    precision = world.tell(precision)
    model, params, buffers = make(precision, world, says=world.rank == 0)

    optimizer = make_optimizer(train.optimizer, train.momentum, train.weight_decay)
    state = init_state(model, params, buffers, optimizer, method)
    taps = (group.tap for group in model.groups.values())
    trunk_rates, heads_rate = find_rates(train, settings.model, taps, params.trunk)
    optimizer = scale_rates(optimizer, trunk_rates)
    num_warmup_steps = round(train.warmup_epochs * data.num_batches)
    schedule = make_schedule(train.schedule, train.learning_rate, train.epochs * data.num_batches, num_warmup_steps)

    mode = train.compile if world.size == 1 else "off"

    make_step = partial(
        make_train_step,
        *(model, optimizer, schedule, method),
        donate=True,
        world=world,
        heads_rate=heads_rate,
        extensions=() if settings.dropping.scheme is None else tuple(settings.dropping.weights.ours),
    )

    def make_train(size: int) -> SourcedStep:
        def make(source: Source) -> Step:
            return maybe_compile(make_step(source=source, augment=at_size(augment_and_normalize, size)), mode, device)

        shape = (train.batch_size // world.size, 3, size, size)
        return sourcing.make_sourced_step(model, method, settings.sourcing, params, buffers, shape, make)

    def make_loss(size: int) -> Callable[..., dict[str, Tensor]]:
        return maybe_compile(make_loss_step(model, at_size(normalize, size)), mode, device)

    sizes = sorted({*train.sizes})
    steps = Steps(
        train={size: make_train(size) for size in sizes},
        loss={size: make_loss(size) for size in sizes},
        predict=maybe_compile(make_predict_step(model, normalize, train.mirrored), mode, device),
        saliency=make_saliency_step(model, normalize),  # runs once: not worth a compilation
    )
    run = Run(
        settings=settings,
        folder=folder,
        device=device,
        data=data,
        model=model,
        steps=steps,
        dropping=_make_dropping(settings, model, data, workdir),
        levels=("features",) if level == "features" else ("features", level),
        switches={gate: torch.tensor(gate, device=device) for gate in (False, True)},
        world=world,
    )
    if world.rank == 0 and is_longer:  # results first: a run that has them is finished
        (folder / RESULTS).unlink(missing_ok=True)
        files.write_json(folder / CONFIG, read_config(folder) | {"config": settings.raw})
    elif world.rank == 0 and not (folder / CONFIG).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / CONFIG, {**_describe(run, method, found), **begun, "precision": precision})
    return run, state


def finished(settings: RunSettings, workdir: Path) -> dict[str, Any] | None:
    """What results.json holds of this very run, None while it is not finished, or more epochs are asked for.

    Raises:
      UserError: if its folder holds a run of other settings.
    """
    folder = run_folder(workdir, settings.name, settings.seed)
    is_longer = check_same_run(settings, folder)
    return read_results(folder) if (folder / RESULTS).exists() and not is_longer else None


def _arrange(pack: Pack, batch_size: int) -> Data:
    rows = {name: np.flatnonzero(pack.table.split == index) for index, name in enumerate(SPLITS)}
    return Data(pack, rows, guesses(pack.table), num_train_batches(len(rows["train"]), batch_size))


def _make_dropping(settings: RunSettings, model: Model, data: Data, workdir: Path) -> gating.Dropping | None:
    given, table = settings.dropping, data.pack.table
    check_positives(table, given.only_positives)
    mask = table.mask[data.rows["train"]]
    counted = mask & table.labels[data.rows["train"]] if given.only_positives else mask
    static = dst.Static(
        depth={task: float(model.depths[task]) for task in model.tasks},
        num_samples=dict(zip(model.tasks, counted.sum(axis=0).astype(float).tolist(), strict=True)),
        weights=given.weights,
        beta=given.beta,
    )
    dst.check(static)
    if given.scheme is None:
        return None
    control = None
    if (needed := needed_run(settings)) is not None:
        repeated = run_folder(workdir, *needed)
        control = gating.read_control(given.scheme, repeated, settings.train.epochs, settings.seed)
    num_steps, own = data.num_batches if given.per_step else None, gating.own_key(given.gates_seed, settings.name)
    kept_from = settings.train.epochs - given.keep_last + 1 if given.keep_last else None
    return gating.Dropping(given.scheme, static, settings.seed, control, num_steps, kept_from, own)


def _describe(run: Run, method: Method[Any], found: Fingerprint) -> dict[str, Any]:
    pack = run.data.pack
    kinds = [kind._asdict() for kind in pack.table.kinds]
    return {
        "config": run.settings.raw,
        "tasks": list(run.model.tasks),
        **({} if set(pack.table.kinds) == {BINARY} else {"kinds": kinds}),
        "skipped_images": list(pack.skipped),
        "num_skipped_images": len(pack.skipped),
        "fingerprint": found,
        "weights_say_all": run.settings.balancing != "joint" and "gradients" not in method.looks_at,
        "looks_at_gradients": not {"gramian", "halves", "gradients"}.isdisjoint(method.looks_at),
        "versions": provenance.versions(),
        "device": provenance.device_name(run.device, run.world.size),
        "command": provenance.command(),
        "revision": provenance.revision(),
    }
