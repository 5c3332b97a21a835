"""config.json of a model folder: what the network is, what is done to an image before it and to its logits after it."""

import math
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mtl.data.pack import CROPS
from mtl.errors import UserError
from mtl.kinds import BINARY, Kind
from mtl.models.heads import HEADS
from mtl.models.precision import PRECISIONS
from mtl.trained import kinds
from mtl.trained.untrusted import damaged, parse_object

BINARY_ONLY, FORMAT = 1, 2  # goes up when what a folder holds, or what it means, changes: 2 has tasks of every kind
ANY = ("binary", "classes", "regression")
MAX_BYTES = 10_000_000
MAX_IMAGE_SIZE = 4096


class Settings(NamedTuple):
    """What a trained network is.

    Attributes:
      tasks: names, in the order of the outputs.
      kinds: what they are.
      backbone, width, head, hidden: as `config.model` has them.
      weights: the name of what the trunk began with, "" for random numbers.
      transforms_input: the trunk undoes the images' normalisation, see `mtl.models.weights.Weights`.
      taps: task -> the stage that it reads.
      separate: a network per task: the trunk's tensors have a leading axis of tasks.
      precision: of the trunk, float32 or bfloat16 (autocast).
      image_size: height and width of what it reads, pixels.
      crop: how an image became square, see `mtl.data.pack.open_pack`.
      mean, std: of the channels, in units of 1, with which images are normalised.
      mirrored: its outputs are averaged over an image and its mirror image.
      temperatures: task -> T of the calibrated probability  p = sigmoid(logit / T), or softmax(logits / T) of classes;
        a regression has none.
      thresholds: binary task -> what p must exceed for a decision that the attribute is present.
      trained: how it came about; for people, nothing here depends on it.
    """

    tasks: tuple[str, ...]
    kinds: tuple[Kind, ...]
    backbone: str
    width: float
    weights: str
    transforms_input: bool
    taps: dict[str, str]
    head: str
    hidden: int
    separate: bool
    precision: str
    image_size: int
    crop: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    mirrored: bool
    temperatures: dict[str, float]
    thresholds: dict[str, float]
    trained: dict[str, Any]


def as_json(settings: Settings) -> dict[str, Any]:
    """What config.json holds."""
    tasks = [kinds.as_json(task, kind) for task, kind in zip(settings.tasks, settings.kinds, strict=True)]
    written = {"format": BINARY_ONLY if {*settings.kinds} == {BINARY} else FORMAT, **settings._asdict(), "tasks": tasks}
    del written["kinds"]  # `tasks` says them
    return written


def read_settings(path: Path) -> Settings:
    """Reads config.json of a model folder.

    Raises:
      UserError: if it cannot be read, is of another version, or a field is missing or no value that it can have.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    if len(text) > MAX_BYTES:
        raise damaged(path, f"it is longer than {MAX_BYTES} bytes")
    values = parse_object(path, text)
    found = values.pop("format", None)
    if type(found) is not int or found not in (BINARY_ONLY, FORMAT):
        raise UserError(
            f"{path} is of no model folder that this version of mtl reads (its format is {reprlib.repr(found)}, this "
            f"one's {FORMAT}): give the folder named model of a finished run, or use the version that wrote it"
        )
    if unknown := sorted(values.keys() ^ {*Settings._fields} - {"kinds"}):
        raise damaged(path, f"{unknown[0]!r} is {'a field that there is not' if unknown[0] in values else 'missing'}")
    for name, (words, holds) in CHECKS.items():
        if not holds(values[name]):
            raise damaged(path, f"{name} is {reprlib.repr(values[name])}, not {words}")
    tasks, found_kinds = tuple(task["name"] for task in values["tasks"]), kinds.read_kinds(values["tasks"])
    assert found_kinds is not None, "that was checked"
    for name, of in (("taps", ANY), ("temperatures", ("binary", "classes")), ("thresholds", ("binary",))):
        if list(values[name]) != [task for task, kind in zip(tasks, found_kinds, strict=True) if kind.name in of]:
            which = "tasks" if of == ANY else f"{' and '.join(of)} tasks"
            raise damaged(path, f"{name} does not name the {which}, in their order")
    values |= {"tasks": tasks, "kinds": found_kinds, "mean": tuple(values["mean"]), "std": tuple(values["std"])}
    return Settings(**values)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_one_of(*choices: str) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(choices)}", lambda value: _is_text(value) and value in choices


def _is_whole(least: int, most: int) -> tuple[str, Callable[[Any], bool]]:
    return f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most


def _are_three(each: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) == 3 and all(map(each, value))


def _has_values(each: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(each, value.values()))


CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {  # field -> (what it must be, whether a value is)
    "tasks": ("a list of tasks with names, each once", lambda value: kinds.read_kinds(value) is not None),
    "backbone": ("a name", _is_text),
    "width": ("a number above 0", _is_positive),
    "weights": ("a name", _is_text),
    "transforms_input": ("true or false", _is_bool),
    "taps": ("a stage for each task", _has_values(_is_text)),
    "head": _is_one_of(*HEADS),
    "hidden": _is_whole(1, 2**31),
    "separate": ("true or false", _is_bool),
    "precision": _is_one_of(*PRECISIONS),
    "image_size": _is_whole(1, MAX_IMAGE_SIZE),
    "crop": _is_one_of(*CROPS),
    "mean": ("three numbers", _are_three(_is_number)),
    "std": ("three numbers above 0", _are_three(_is_positive)),
    "mirrored": ("true or false", _is_bool),
    "temperatures": ("numbers above 0 for tasks", _has_values(_is_positive)),
    "thresholds": ("numbers from 0 to 1 for tasks", _has_values(lambda p: _is_number(p) and 0 <= p <= 1)),
    "trained": ("an object", lambda value: isinstance(value, dict)),
}
