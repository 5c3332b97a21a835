"""What a run said of the test split, read back from its predictions.npz."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.errors import UserError
from mtl.kinds import BINARY, Kind, all_binary, columns, from_text, num_outputs
from mtl.record.files import read_arrays


class Predictions(NamedTuple):
    """A run's predictions of the test split.

    Attributes:
      logits_NK: float; above 0 says that the attribute is present. Where a task is not binary, the outputs of all tasks
        side by side (`mtl.kinds.columns`).
      labels_NK: bool, the attribute is present. Where a task is not binary, float64: 0 or 1, the number of a class, or
        a number in the unit of the outputs.
      mask_NK: bool, the label is known.
      identity_N: int, who the image shows; -1 where that is not known.
      majority_K: each task's more frequent class in the training split, or its median: bool or float64 as the labels.
      tasks: names of the K tasks.
      ids_N: str, file names of the images.
      kinds: of the tasks; () where all are binary, which is all that runs of before know. `kinds_of` fills it in.
    """

    logits_NK: np.ndarray
    labels_NK: np.ndarray
    mask_NK: np.ndarray
    identity_N: np.ndarray
    majority_K: np.ndarray
    tasks: tuple[str, ...]
    ids_N: np.ndarray
    kinds: tuple[Kind, ...] = ()


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
    num_columns = sum(map(num_outputs, _read_kinds(arrays) or (BINARY,) * K))
    shapes = [arrays[name].shape for name in ARRAYS[:5]]
    if shapes != [(N, num_columns), (N, K), (N, K), (N,), (K,)] or not np.isfinite(arrays["logits"]).all():
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
    kinds = _read_kinds(arrays)
    dtype = np.float64 if kinds else bool
    return Predictions(
        logits_NK, labels_NK.astype(dtype), mask_NK.astype(bool), identity_N, majority_K.astype(dtype),
        tuple(tasks_K.tolist()), ids_N, kinds,
    )  # fmt: skip


def _read_kinds(arrays: Mapping[str, np.ndarray]) -> tuple[Kind, ...]:
    return tuple(from_text(text) for text in arrays.get("kinds", np.array([])).tolist())


def kinds_of(run: Predictions) -> tuple[Kind, ...]:
    """The kind of each task.

    Example:
      >>> column, row = np.ones((1, 1)), np.ones(1)
      >>> kinds_of(Predictions(column, column > 0, column > 0, row, row > 0, ("smile",), np.array(["1.jpg"])))
      (Kind(name='binary', classes=(), mean=0.0, std=1.0),)
    """
    return run.kinds or (BINARY,) * len(run.tasks)


def only(run: Predictions, *names: str) -> Predictions:
    """The tasks of some kinds alone; of binary ones alone, labels are bool again.

    Args:
      names: of the kinds.

    Example:
      >>> row, kinds = np.ones((1, 2)), (Kind("regression"), BINARY)
      >>> said, ids_N = np.array([[3.0, 4.0]]), np.array(["1.jpg"])
      >>> run = Predictions(said, row, row > 0, np.array([-1]), row[0], ("age", "smile"), ids_N, kinds)
      >>> only(run, "binary").tasks, only(run, "binary").logits_NK
      (('smile',), array([[4.]]))
    """
    chosen = [k for k, kind in enumerate(kinds_of(run)) if kind.name in names]
    if len(chosen) == len(run.tasks):
        return run
    kinds, places = tuple(run.kinds[k] for k in chosen), columns(run.kinds)
    dtype = bool if all_binary(kinds) else np.float64
    return run._replace(
        logits_NK=np.concatenate([run.logits_NK[:, :0], *(run.logits_NK[:, places[k]] for k in chosen)], axis=1),
        labels_NK=run.labels_NK[:, chosen].astype(dtype),
        mask_NK=run.mask_NK[:, chosen],
        majority_K=run.majority_K[chosen].astype(dtype),
        tasks=tuple(run.tasks[k] for k in chosen),
        kinds=() if all_binary(kinds) else kinds,
    )


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
            one, two = getattr(run, name), getattr(first, name)
            if name != "logits_NK" and not (one == two if name == "kinds" else np.array_equal(one, two)):
                raise UserError(
                    f"the runs {where} and {other} differ in their test split ({name.split('_')[0]}); a study compares "
                    "runs on the same images, labels and tasks: train both with the same data settings"
                )
    return first
