"""What a run said of the test split, read back from its predictions.npz."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.errors import UserError
from mtl.record.files import read_arrays


class Predictions(NamedTuple):
    """A run's predictions of the test split.

    Attributes:
      logits_NK: float; above 0 says that the attribute is present.
      labels_NK: bool, the attribute is present.
      mask_NK: bool, the label is known.
      identity_N: int, who the image shows; -1 where that is not known.
      majority_K: bool, each task's more frequent class in the training split.
      tasks: names of the K columns.
      ids_N: str, file names of the images.
    """

    logits_NK: np.ndarray
    labels_NK: np.ndarray
    mask_NK: np.ndarray
    identity_N: np.ndarray
    majority_K: np.ndarray
    tasks: tuple[str, ...]
    ids_N: np.ndarray


ARRAYS = ("logits", "labels", "mask", "identity", "majority", "tasks", "ids")  # in the order of the attributes
Runs = Mapping[str, Mapping[int, Predictions]]  # of a study: method -> seed -> predictions


def read_predictions(path: Path) -> Predictions:
    """Reads a run's predictions.npz.

    Raises:
      UserError: if the file is missing, damaged, or lacks an array.
    """
    again = "delete that run's folder and train it again"
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; train that run first") from None
    if lacking := [name for name in ARRAYS if name not in arrays]:
        raise UserError(f"{path} lacks an array ({lacking[0]}), as of an older version; {again}")
    N, K = len(arrays["ids"]), len(arrays["tasks"])
    shapes = [arrays[name].shape for name in ARRAYS[:5]]
    if shapes != [(N, K)] * 3 + [(N,), (K,)] or not np.isfinite(arrays["logits"]).all():
        raise UserError(f"{path} holds arrays of unequal length or logits that are not finite; {again}")
    return of_arrays(arrays)


def of_arrays(arrays: Mapping[str, np.ndarray]) -> Predictions:
    """Predictions from what predictions.npz holds, or what would be in it.

    Example:
      >>> column, row = np.ones((1, 1)), np.ones(1)
      >>> arrays = {"logits": column, "labels": column, "mask": column, "identity": row, "majority": row}
      >>> of_arrays(arrays | {"tasks": np.array(["smile"]), "ids": np.array(["1.jpg"])}).labels_NK
      array([[ True]])
    """
    logits_NK, labels_NK, mask_NK, identity_N, majority_K, tasks_K, ids_N = (arrays[name] for name in ARRAYS)
    return Predictions(
        logits_NK, labels_NK.astype(bool), mask_NK.astype(bool), identity_N, majority_K.astype(bool),
        tuple(tasks_K.tolist()), ids_N,
    )  # fmt: skip


def check_same_test_split(runs: Runs) -> Predictions:
    """Returns the first of the runs, whose images, labels and tasks are those of all.

    Raises:
      UserError: if another run's differ.

    Example:
      >>> ids, who = np.array(["1.jpg", "2.jpg"]), np.array([4, 4])
      >>> logits, yes = np.ones((2, 1)), np.ones((2, 1), bool)
      >>> run = Predictions(logits, yes, yes, who, np.array([True]), ("smile",), ids)
      >>> check_same_test_split({"joint": {0: run}, "dst": {0: run}}).ids_N.tolist()
      ['1.jpg', '2.jpg']
    """
    (where, first), *others = [(f"{m}, seed {s}", run) for m, of_method in runs.items() for s, run in of_method.items()]
    for other, run in others:
        for name in Predictions._fields:
            if name != "logits_NK" and not np.array_equal(getattr(run, name), getattr(first, name)):
                raise UserError(
                    f"the runs {where} and {other} differ in their test split ({name.split('_')[0]}); a study compares "
                    "runs on the same images, labels and tasks: train both with the same data settings"
                )
    return first
