"""What a run's tasks are: heads, losses, and what the training split suggests without an image."""

import sys
from typing import NamedTuple

import numpy as np
import torch

from mtl.data.table import SPLITS, Table
from mtl.errors import UserError
from mtl.kinds import Kind
from mtl.losses import Task, binary, classes, regression

CLASS_WEIGHTS = ("none", "balanced")


class LossSettings(NamedTuple):
    """The fields of `config.train` that say what a label costs; binary tasks without any of them are as ever.

    Attributes:
      class_weights: "none", or "balanced": n / (C n_c), so that each class weighs as much in the training split.
      label_smoothing: of binary tasks and classes, in [0, 1).
      regression_loss: "squared", "l1" or "huber", of (y - mean) / std.
      huber_delta: of "huber", in standard deviations.
    """

    class_weights: str
    label_smoothing: float
    regression_loss: str
    huber_delta: float


def make_task(kind: Kind, given: LossSettings, weights_C: torch.Tensor | None = None) -> Task:
    """What the network learns of a column.

    Args:
      kind: what its labels are.
      given: what they cost.
      weights_C: of its classes, if they are to be weighted.

    Example:
      >>> make_task(Kind("classes", ("cat", "dog", "fox")), LossSettings("none", 0.0, "squared", 1.0)).num_outputs
      3
    """
    if kind.name == "regression":
        return regression(given.regression_loss, given.huber_delta)
    if kind.name == "classes":
        return classes(len(kind.classes), weights_C, given.label_smoothing)
    return binary(weights_C, given.label_smoothing)


def make_tasks(table: Table, given: LossSettings, device: torch.device) -> dict[str, Task]:
    """Task -> what the network learns of it, with the training split's weights of classes where they are asked for.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> labels, split, nobody = np.array([[1, 0], [1, 5], [0, 2]], np.float32), np.zeros(3, np.int8), np.full(3, -1)
      >>> ids, names, kinds = np.array(["1", "2", "3"]), ("smile", "age"), (Kind("binary"), Kind("regression"))
      >>> table = Table(ids, ImageSource(None, ""), labels, labels < 9, split, nobody, names, kinds)
      >>> made = make_tasks(table, LossSettings("balanced", 0.0, "l1", 1.0), torch.device("cpu"))
      >>> {name: task.kind for name, task in made.items()}
      {'smile': 'binary', 'age': 'regression'}
    """
    rows = table.split == SPLITS.index("train")
    made = {}
    for k, (task, kind) in enumerate(zip(table.attributes, table.kinds, strict=True)):
        weights_C = None
        if given.class_weights == "balanced" and kind.name != "regression":
            labels_N = table.labels[rows & table.mask[:, k], k]
            weights_C = torch.from_numpy(balanced_weights(labels_N, num_classes(kind))).to(device)
        made[task] = make_task(kind, given, weights_C)
    return made


def num_classes(kind: Kind) -> int:
    """How many classes its labels have.

    Example:
      >>> num_classes(Kind("binary")), num_classes(Kind("classes", ("cat", "dog", "fox")))
      (2, 3)
    """
    return len(kind.classes) if kind.name == "classes" else 2


def balanced_weights(labels_N: np.ndarray, num_classes: int) -> np.ndarray:
    """n / (C n_c), where C counts the classes that occur; 0 for one that does not: [num_classes] float32.

    Their mean over the labels is 1. Source: King and Zeng 2001, as scikit-learn's class_weight="balanced" has it.

    Example:
      >>> balanced_weights(np.array([0, 0, 0, 1]), 2)
      array([0.6666667, 2.       ], dtype=float32)
    """
    counts_C = np.bincount(labels_N.astype(np.int64), minlength=num_classes)
    present_C = counts_C > 0
    share_C = counts_C * present_C.sum()
    return np.divide(len(labels_N), share_C, out=np.zeros(num_classes), where=present_C).astype(np.float32)


def guesses(table: Table) -> np.ndarray:
    """What the training split suggests without an image: the more frequent class, or the median of a number.

    Returns:
      [K] bool where all tasks are binary, else float64: 0 or 1, the number of a class, (median - mean) / std.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels, split, nobody = np.array([[1, 0], [1, 5], [0, 2]], np.float32), np.zeros(3, np.int8), np.full(3, -1)
      >>> ids, names, kinds = np.array(["1", "2", "3"]), ("smile", "age"), (BINARY, Kind("regression"))
      >>> guesses(Table(ids, ImageSource(None, ""), labels, labels < 9, split, nobody, names, kinds))
      array([1., 2.])
    """
    rows = table.split == SPLITS.index("train")
    found = []
    for k, (task, kind) in enumerate(zip(table.attributes, table.kinds, strict=True)):
        labels_N = table.labels[rows & table.mask[:, k], k]
        _warn_of_one_value(task, kind, labels_N)
        if kind.name == "regression":
            found.append(float(np.median(labels_N.astype(np.float64))) if len(labels_N) else 0.0)
        else:
            found.append(float(np.bincount(labels_N.astype(np.int64), minlength=2).argmax()))
    return np.array(found).astype(bool) if table.labels.dtype == bool else np.array(found)


def _warn_of_one_value(task: str, kind: Kind, labels_N: np.ndarray) -> None:
    values = np.unique(labels_N)
    if len(values) > 1:
        return
    if kind.name == "binary":
        only = "present" if values.any() else "absent"
    elif not len(values):
        only = "unknown"
    else:
        only = kind.classes[int(values[0])] if kind.name == "classes" else f"{kind.mean + kind.std * values[0]:g}"
    print(f"warning: {task} is {only} in every labelled training image; nothing can be learnt of it", file=sys.stderr)


def check_positives(table: Table, only_positives: bool) -> None:
    """Refuses to count positives of tasks that have none.

    Raises:
      UserError: if positives are to be counted and a task is not binary.

    Example:
      >>> from mtl.kinds import BINARY
      >>> check_positives(Table(*[None] * 6, ("smile",), (BINARY,)), only_positives=True)  # says nothing
    """
    for task, kind in zip(table.attributes, table.kinds, strict=True):
        if only_positives and kind.name != "binary":
            raise UserError(
                f"count is positives, and {task} is a task of {kind.name}, which has none: take annotated", "count"
            )
