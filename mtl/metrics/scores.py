"""All scores of a split, and the one score that tasks of every kind have: the higher, the better.

  binary, classes   accuracy
  regression        1 - MAE / MAE of always saying the training split's median

Where every task has an accuracy, that is what the study's gains are about, under this name. Where there is a
regression too, it is the "score"; its mean over tasks is what decides which epoch is the best.

Shape legend: N images, K tasks, O outputs of all tasks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl.kinds import BINARY, Kind, columns
from mtl.metrics import binary, classes, regression

SCORE = "score"
NAMES = {  # of each kind, in the order of the tables
    "binary": ("accuracy", "balanced_accuracy", "f1", "average_precision"),
    "classes": ("accuracy", "balanced_accuracy", "macro_f1"),
    "regression": ("mae", "rmse", "r2"),
}
IN_UNITS = ("mae", "rmse")  # in the table's unit, so that no mean over tasks is taken; the lower, the better
MEANING = (
    "The score of a task is its accuracy; of a regression it is 1 - MAE / MAE of always saying the training median "
    "(1: perfect, 0: no better than that). The overall score is the mean over tasks."
)


def main_score(kinds: Sequence[Kind]) -> str:
    """The name of the score that all tasks have: "accuracy", or "score" where one of them is a regression.

    Example:
      >>> main_score([BINARY]), main_score([BINARY, Kind("regression")])
      ('accuracy', 'score')
    """
    return SCORE if any(kind.name == "regression" for kind in kinds) else "accuracy"


def names_of(kinds: Sequence[Kind]) -> dict[str, list[int]]:
    """Name of a score -> the tasks that have it, by their numbers.

    Example:
      >>> names_of([BINARY, Kind("classes", ("a", "b"))])["accuracy"], names_of([BINARY, Kind("regression")])["score"]
      ([0, 1], [0, 1])
    """
    names = dict.fromkeys([name for kind in kinds for name in NAMES[kind.name]])
    found = {name: [k for k, kind in enumerate(kinds) if name in NAMES[kind.name]] for name in names}
    return found | ({SCORE: [*range(len(kinds))]} if main_score(kinds) == SCORE else {})


def overall(scores: dict[str, Any]) -> float:
    """The overall score of a split, higher better: what epochs are compared by.

    Args:
      scores: of `evaluate`, or what results.json says of a split.

    Example:
      >>> overall({"overall_accuracy": 0.75}), overall({"overall_accuracy": 0.75, "overall_score": 0.5})
      (0.75, 0.5)
    """
    return scores.get("overall_score", scores["overall_accuracy"])


def evaluate(
    tasks: Sequence[str],
    outputs_NO: np.ndarray,
    labels_NK: np.ndarray,
    mask_NK: np.ndarray,
    guess_K: np.ndarray,
    kinds: Sequence[Kind] = (),
) -> dict[str, Any]:
    """All scores of a split, under the names of results.json; what is undefined is None.

    Args:
      tasks: names, in the order of the columns.
      outputs_NO: float, of all tasks side by side.
      labels_NK: 0 or 1; the number of a class; or a number in the unit of the outputs.
      mask_NK: 0 or 1, the label is known.
      guess_K: what the training split suggests without an image: each task's more frequent class, or its median.
      kinds: of the tasks; () where all are binary.

    Example:
      >>> logits_NK, labels_NK = np.array([[2.0], [-1.0], [0.5], [-3.0]]), np.array([[1], [1], [1], [0]])
      >>> evaluate(["smile"], logits_NK, labels_NK, np.ones((4, 1)), np.array([True]))["tasks"]["smile"]["accuracy"]
      0.75
    """
    kinds, mask = kinds or (BINARY,) * len(tasks), mask_NK.astype(bool)
    per_task: dict[str, dict[str, float]] = {}
    right = np.ones(mask.shape, bool)
    for k, (task, kind, of_task) in enumerate(zip(tasks, kinds, columns(kinds), strict=True)):
        known_N, outputs = mask[:, k], outputs_NO[:, of_task]
        labels_N, guess = labels_NK[known_N, k], float(guess_K[k])
        per_task[task] = _evaluate(kind, outputs[known_N], labels_N, guess) | {"count": int(known_N.sum())}
        if kind.name != "regression":
            right[known_N, k] = said(kind, outputs[known_N]) == labels_N
    if main_score(kinds) == SCORE:
        per_task = {task: {SCORE: of.get("accuracy", np.nan), **of} for task, of in per_task.items()}
    has_classes = np.array([kind.name != "regression" for kind in kinds])
    labelled = mask[:, has_classes].any(axis=1)
    return {
        **({"overall_score": _mean(SCORE, per_task)} if main_score(kinds) == SCORE else {}),
        "overall_accuracy": _mean("accuracy", per_task),
        "balanced_accuracy": _mean("balanced_accuracy", per_task),
        "exact_match": _number(mean_of_known(right[labelled].all(axis=1).astype(float))),
        "tasks": {task: {name: _number(value) for name, value in of.items()} for task, of in per_task.items()},
    }


def said(kind: Kind, outputs_NO: np.ndarray) -> np.ndarray:
    """What the outputs of one task say: 0 or 1, the number of a class, or a number as it stands: [N].

    Example:
      >>> said(BINARY, np.array([[2.0], [-1.0]])), said(Kind("classes", ("cat", "dog")), np.array([[2.0, 3.0]]))
      (array([1, 0]), array([1]))
    """
    if kind.name == "classes":
        return outputs_NO.argmax(axis=1)
    return (outputs_NO[:, 0] > 0).astype(int) if kind.name == "binary" else outputs_NO[:, 0]


def mean_of_known(values: np.ndarray) -> float:
    """The mean of what is defined; NaN where nothing is.

    Example:
      >>> mean_of_known(np.array([0.5, np.nan, 1.0]))
      0.75
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _evaluate(kind: Kind, outputs_NO: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, float]:
    if kind.name == "regression":
        return regression.evaluate(outputs_NO, labels_N, guess, kind.std)
    return (classes if kind.name == "classes" else binary).evaluate(outputs_NO, labels_N, guess)


def _mean(name: str, per_task: dict[str, dict[str, float]]) -> float | None:
    return _number(mean_of_known(np.array([of[name] for of in per_task.values() if name in of])))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
