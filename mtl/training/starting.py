"""What a run begins with: random numbers, torchvision's weights, those of a file, or the network of an earlier run."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.kinds import BINARY, Kind
from mtl.losses import Task
from mtl.models.architectures import architecture
from mtl.models.filling import COUNT
from mtl.models.heads import HeadParams, make_groups, parse_taps
from mtl.models.model import Model
from mtl.models.weights import Weights, build_on_meta, in_todays_names, read_weights, unwrap
from mtl.record.paths import BEST, CHECKPOINTS, CONFIG, TENSORS
from mtl.record.reading import read_config
from mtl.record.settings import BEFORE
from mtl.trained.digest import digest as digest_tensors
from mtl.trained.naming import TRUNK, head_name
from mtl.trained.settings import read_settings
from mtl.trained.tensors import read_tensors
from mtl.training import checkpoint
from mtl.training.settings import ModelSettings
from mtl.training.tasks import LossSettings, make_task, num_classes

SAFETENSORS = ".safetensors"
OF_A_HEAD = ("weight", "bias", "0.weight", "0.bias", "2.weight", "2.bias")  # linear, mlp
# Where a checkpoint has the trunk's parameters, the buffers, and the stacked heads, of (params, buffers).
OF_TRUNK = re.compile(r"\[0\]\.trunk\['(.+)'\]|\[1\]\['(.+)'\]")
OF_HEADS = re.compile(r"\[0\]\.heads\['(.+)'\]\['(.+)'\]")


def read_start(model: ModelSettings, image_size: int) -> Weights | None:
    """What `model.weights` names; None for random numbers.

    Raises:
      UserError: if it cannot be had.
    """
    path = Path(model.weights).expanduser()
    if not model.weights:
        return None
    if path.is_dir():
        return read_model_folder(path) if (path / TENSORS).is_file() else read_run(path)
    build = architecture(model.backbone, image_size).build
    if path.suffix == SAFETENSORS and path.is_file():
        return Weights(
            model.weights, unwrap(in_todays_names(read_tensors(path)), build_on_meta(build).state_dict()), {}
        )
    return read_weights(build, model.backbone, model.weights, model.width)


def read_model_folder(folder: Path) -> Weights:
    """The network of a folder that `mtl.load_model` reads.

    Raises:
      UserError: if the folder is damaged, or holds a network per task.
    """
    settings, tensors = read_settings(folder / CONFIG), read_tensors(folder / TENSORS)
    if settings.separate:
        raise _one_per_task(folder)
    heads = {task: {name: tensors.get(head_name(task, name)) for name in OF_A_HEAD} for task in settings.tasks}
    return Weights(
        where=str(folder),
        trunk={key.removeprefix(TRUNK): value for key, value in tensors.items() if key.startswith(TRUNK)},
        heads={
            task: (settings.taps[task], {name: value for name, value in head.items() if value is not None})
            for task, head in heads.items()
        },
        made_by=f"{settings.backbone} of width {settings.width:g}",
        transforms_input=settings.transforms_input,
    )


def read_run(folder: Path) -> Weights:
    """The network of a run, of the epoch that was the best on validation so far.

    Raises:
      UserError: if the folder is not that of a run with one network, or nothing of it can be read.
    """
    path = folder / CHECKPOINTS / BEST
    if not path.is_file() or not (folder / CONFIG).is_file():
        raise UserError(
            f"{folder} is not the folder of a run that has finished an epoch: it lacks {CHECKPOINTS}/{BEST} or "
            f"{CONFIG} (a run's folder is STUDY/METHOD/seed_0)",
            "weights",
        )
    described = read_config(folder)
    config = described["config"]
    if config["method"] == "single_task":
        raise _one_per_task(folder)
    model = config["model"]
    try:
        tensors = checkpoint.read_tensors(path)
    except checkpoint.Damaged as error:
        raise UserError(f"{path} cannot be read ({error.reason}): give another run", "weights") from error
    trunk = {match[1] or match[2]: value for key, value in tensors.items() if (match := OF_TRUNK.fullmatch(key))}
    return Weights(
        where=str(folder),
        trunk={key: value for key, value in trunk.items() if value.is_floating_point() or key.endswith(COUNT)},
        heads=_heads_by_task(_make_tasks(described), model, tensors),
        made_by=f"{model['backbone']} of width {model['width']:g}",
        transforms_input=was_transforming(described),
    )


def was_transforming(described: dict[str, Any]) -> bool:
    """Whether the trunk of a run undoes the images' normalisation, from what its config.json holds.

    Example:
      >>> was_transforming({"config": {"model": {"weights": "IMAGENET1K_V1"}}})  # of before the file said so
      True
    """
    weights = described["config"]["model"]["weights"]
    return described.get("weights", {}).get("transforms_input", bool(weights))


def _one_per_task(folder: Path) -> UserError:
    return UserError(f"{folder} holds a network per task, and a run begins with one: give another run", "weights")


def _heads_by_task(
    tasks: dict[str, Task], model: dict[str, Any], tensors: dict[str, Tensor]
) -> dict[str, tuple[str, dict[str, Tensor]]]:
    taps = parse_taps(model["taps"], [*tasks], deepest=list(architecture(model["backbone"]).stages)[-1])
    groups = make_groups(tasks, taps)
    stacked: HeadParams = {}
    for key, value in tensors.items():
        if match := OF_HEADS.fullmatch(key):
            stacked.setdefault(match[1], {})[match[2]] = value
    return {
        task: (group.tap, {key: value[index] for key, value in stacked[name].items()})
        for name, group in groups.items()
        for index, task in enumerate(group.tasks)
    }


def _make_tasks(described: dict[str, Any]) -> dict[str, Task]:
    """The tasks of a run from its config.json, grouped as they were; runs of binary tasks do not say so."""
    names, train = described["tasks"], described["config"]["train"]
    found = described.get("kinds", [BINARY._asdict()] * len(names))
    kinds = [Kind(**{**of, "classes": tuple(of["classes"])}) for of in found]
    given = LossSettings(*(train.get(field, BEFORE[f"train.{field}"]) for field in LossSettings._fields))
    weighted = given.class_weights != "none"
    return {
        name: make_task(kind, given, torch.ones(num_classes(kind)) if weighted else None)
        for name, kind in zip(names, kinds, strict=True)
    }


def fill_heads(model: Model, heads: HeadParams, weights: Weights) -> tuple[HeadParams, tuple[str, ...]]:
    """Heads of tasks that `weights` has too, at the same place and of the same shape, begin with its numbers.

    Returns:
      (heads, the tasks whose heads were taken).
    """
    filled, taken = {}, []
    for name, group in model.groups.items():
        own = heads[name]
        rows = {key: list(value.unbind()) for key, value in own.items()}
        for index, task in enumerate(group.tasks):
            tap, found = weights.heads.get(task, ("", {}))
            shapes = {key: value.shape[1:] for key, value in own.items()}
            if tap == group.tap and {key: value.shape for key, value in found.items()} == shapes:
                taken.append(task)
                for key, value in found.items():
                    rows[key][index] = value.to(own[key])
        filled[name] = {key: torch.stack(values) for key, values in rows.items()}
    return filled, tuple(task for task in model.tasks if task in taken)


def digest(weights: Weights) -> str:
    """A digest of all that was found, trunk and heads.

    Example:
      >>> one, same = (Weights(name, {"w": torch.ones(2)}, {}) for name in ("a.pt", "b.pt"))
      >>> digest(one) == digest(same), digest(one) == digest(one._replace(trunk={"w": torch.zeros(2)}))
      (True, False)
    """
    heads = {f"{task} {tap} {key}": of[key] for task, (tap, of) in weights.heads.items() for key in of}
    return digest_tensors(weights.trunk | heads)


def describe(weights: Weights) -> dict[str, Any]:
    """What config.json says of the weights that a run began with, beside their name.

    Example:
      >>> describe(Weights("a.pt", {"w": torch.ones(2)}, {}))["transforms_input"]
      True
    """
    return {"digest": digest(weights), "transforms_input": weights.transforms_input}


def in_words(weights: Weights, trunk: dict[str, Tensor], tasks: tuple[str, ...], taken: tuple[str, ...]) -> str:
    """What was taken and what was not, in one line.

    Args:
      trunk: parameters and buffers of the trunk that was filled.
      tasks: of the network.
      taken: those whose heads were filled.

    Example:
      >>> weights = Weights("a.pt", {"w": torch.ones(2), "fc.weight": torch.ones(1)}, {})
      >>> print(in_words(weights, {"w": torch.ones(2)}, ("Smiling",), ()))
      weights: a.pt: all 1 tensors of the trunk; random heads for Smiling; not taken: fc.weight
    """
    left = [key for key in weights.trunk if key not in trunk]
    left += [f"the head of {task}" for task in weights.heads if task not in taken]
    absent = [key for key in trunk if key.endswith(COUNT) and key not in weights.trunk]
    parts = [
        f"all {sum(key in weights.trunk for key in trunk)} tensors of the trunk"
        + (f" but {len(absent)} counts of batches" if absent else ""),
        f"heads of {_listed(taken)}" if taken else "",
        f"random heads for {_listed([task for task in tasks if task not in taken])}" if len(taken) < len(tasks) else "",
        f"not taken: {_listed(left)}" if left else "",
    ]
    return f"weights: {weights.where}: {'; '.join(part for part in parts if part)}"


def _listed(names: list[str] | tuple[str, ...], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
