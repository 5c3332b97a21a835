"""What a task's labels are: yes or no, one of several classes, or a number."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Kind(NamedTuple):
    """What a column's labels are: see the attributes."""

    name: str  # "binary", "classes" or "regression"
    classes: tuple[str, ...] = ()  # names: of binary absent and present where the table names them; of classes 0..C-1
    mean: float = 0.0  # of regression: of the training split, in the table's unit
    std: float = 1.0  # likewise; the network learns (y - mean) / std


BINARY = Kind("binary")


def as_text(kind: Kind) -> str:
    """A kind as predictions.npz has it.

    Example:
      >>> as_text(Kind("classes", ("cat", "dog")))
      '["classes", ["cat", "dog"], 0.0, 1.0]'
    """
    return json.dumps(kind)


def from_text(text: str) -> Kind:
    """The kind that was written so.

    Example:
      >>> from_text(as_text(BINARY)) == BINARY
      True
    """
    name, classes, mean, std = json.loads(text)
    return Kind(name, tuple(classes), mean, std)


def in_words(kind: Kind, value: float) -> str:
    """A label, or an answer in the unit of the labels, in a word.

    Example:
      >>> in_words(BINARY, 1.0), in_words(Kind("regression", mean=40.0, std=10.0), 0.25)
      ('yes', '42.5')
    """
    if kind.name == "regression":
        return f"{kind.mean + kind.std * value:.4g}"
    names = kind.classes if kind.name == "classes" else ("no", "yes")
    return names[int(value)]


def all_binary(kinds: Sequence[Kind]) -> bool:
    """Whether every task is a question of yes or no.

    Example:
      >>> all_binary([BINARY, Kind("binary", ("no", "yes"))]), all_binary([Kind("regression")])
      (True, False)
    """
    return all(kind.name == "binary" for kind in kinds)


def num_outputs(kind: Kind) -> int:
    """How many numbers a network gives for it: a logit, a logit for each class, or (y - mean) / std.

    Example:
      >>> num_outputs(BINARY), num_outputs(Kind("classes", ("cat", "dog", "fox")))
      (1, 3)
    """
    return len(kind.classes) if kind.name == "classes" else 1


def columns(kinds: Sequence[Kind]) -> list[slice]:
    """Where the outputs of each task stand when those of all tasks stand side by side.

    Example:
      >>> columns([BINARY, Kind("classes", ("cat", "dog", "fox")), Kind("regression")])
      [slice(0, 1, None), slice(1, 4, None), slice(4, 5, None)]
    """
    ends = np.cumsum([num_outputs(kind) for kind in kinds]).tolist()
    return [slice(end - num_outputs(kind), end) for kind, end in zip(kinds, ends, strict=True)]
