"""Scores of binary tasks: mergeable counts, and what is computed from them.

Shape legend: N images, K tasks. A label that is missing (mask False) counts nowhere.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Counts(NamedTuple):
    """Per task, images by predicted and true class: each [K] int64. Counts of two parts of a split add up."""

    true_positives_K: np.ndarray
    false_positives_K: np.ndarray
    true_negatives_K: np.ndarray
    false_negatives_K: np.ndarray


def count(logits_NK: np.ndarray, labels_NK: np.ndarray, mask_NK: np.ndarray) -> Counts:
    """Counts predictions; a logit above 0 (probability above 1/2) says that the attribute is present.

    Example:
      >>> logits_NK, labels_NK = np.array([[2.0], [-1.0], [0.5]]), np.array([[1], [1], [0]])
      >>> counts = count(logits_NK, labels_NK, np.array([[1], [1], [0]]))  # the third label is missing
      >>> counts.true_positives_K, counts.false_positives_K, counts.false_negatives_K
      (array([1]), array([0]), array([1]))
    """
    said, labels = logits_NK > 0, labels_NK.astype(bool)
    cells = (said & labels, said & ~labels, ~said & ~labels, ~said & labels)
    return Counts(*((cell & mask_NK.astype(bool)).sum(axis=0) for cell in cells))


def merge(a: Counts, b: Counts) -> Counts:
    """Counts of the union of two disjoint sets of images.

    Example:
      >>> one = Counts(*np.array([[3], [1], [4], [2]]))
      >>> [int(cell_K[0]) for cell_K in merge(one, one)]
      [6, 2, 8, 4]
    """
    return Counts(*(x + y for x, y in zip(a, b, strict=True)))


def accuracy(counts: Counts) -> np.ndarray:
    """(TP + TN) / all, [K]; NaN for a task without a label.

    Example:
      >>> accuracy(Counts(*np.array([[3], [1], [4], [2]])))
      array([0.7])
    """
    return _divide(counts.true_positives_K + counts.true_negatives_K, np.sum(counts, axis=0))


def balanced_accuracy(counts: Counts) -> np.ndarray:
    """Mean of the recalls of the two classes, [K]; of the one class where the other does not occur.

    Example:
      >>> balanced_accuracy(Counts(*np.array([[3], [1], [4], [1]])))
      array([0.775])
    """
    recalls = np.stack(
        [
            _divide(counts.true_positives_K, counts.true_positives_K + counts.false_negatives_K),
            _divide(counts.true_negatives_K, counts.true_negatives_K + counts.false_positives_K),
        ]
    )
    known = ~np.isnan(recalls)
    return _divide(np.where(known, recalls, 0.0).sum(axis=0), known.sum(axis=0))


def f1(counts: Counts) -> np.ndarray:
    """2 TP / (2 TP + FP + FN), [K]; NaN where nothing is positive and nothing was said to be.

    Example:
      >>> f1(Counts(*np.array([[3], [1], [4], [2]])))
      array([0.66666667])
    """
    twice = 2 * counts.true_positives_K
    return _divide(twice, twice + counts.false_positives_K + counts.false_negatives_K)


def average_precision(logits_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Average precision of one task: sum_n (R_n - R_(n-1)) P_n over the distinct logits, from the highest down.

    Images with equal logits enter together. NaN without a positive.

    Example:
      >>> average_precision(np.array([3.0, 2.0, 1.0, 0.0]), np.array([1, 0, 1, 0]))  # (1 / 1 + 2 / 3) / 2
      0.8333333333333333
    """
    num_positives = int(labels_N.sum())
    if num_positives == 0:
        return float("nan")
    order = np.argsort(-logits_N, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(logits_N[order])), len(order) - 1)
    hits = np.cumsum(labels_N[order].astype(np.int64))[last_of_ties]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (last_of_ties + 1)) / num_positives)


def evaluate(
    tasks: Sequence[str], logits_NK: np.ndarray, labels_NK: np.ndarray, mask_NK: np.ndarray, majority_K: np.ndarray
) -> dict[str, Any]:
    """All scores of a split, under the names of results.json; what is undefined is None.

    Args:
      tasks: names, in the order of the columns.
      logits_NK, labels_NK, mask_NK: float, 0/1 and 0/1.
      majority_K: bool, each task's more frequent class in the training split; guessing it always gives
        `majority_accuracy`.

    Example:
      >>> logits_NK, labels_NK = np.array([[2.0], [-1.0], [0.5], [-3.0]]), np.array([[1], [1], [1], [0]])
      >>> evaluate(["smile"], logits_NK, labels_NK, np.ones((4, 1)), np.array([True]))["tasks"]["smile"]["accuracy"]
      0.75
    """
    labels, mask = labels_NK.astype(bool), mask_NK.astype(bool)
    counts = count(logits_NK, labels, mask)
    guess = count(np.where(majority_K, 1.0, -1.0) * np.ones_like(logits_NK), labels, mask)
    columns = {
        "accuracy": accuracy(counts),
        "balanced_accuracy": balanced_accuracy(counts),
        "f1": f1(counts),
        "average_precision": np.array(
            [average_precision(logits_NK[mask[:, k], k], labels[mask[:, k], k]) for k in range(len(tasks))]
        ),
        "majority_accuracy": accuracy(guess),
    }
    per_task: dict[str, dict[str, float | int | None]] = {
        task: {name: _number(column[k]) for name, column in columns.items()}
        | {"positives": int((labels & mask)[:, k].sum()), "count": int(mask[:, k].sum())}
        for k, task in enumerate(tasks)
    }
    right = ((logits_NK > 0) == labels) | ~mask
    labelled = mask.any(axis=1)
    return {
        "overall_accuracy": _number(_mean(columns["accuracy"])),
        "balanced_accuracy": _number(_mean(columns["balanced_accuracy"])),
        "exact_match": _number(_mean(right[labelled].all(axis=1))),
        "tasks": per_task,
    }


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    shape = np.shape(denominator)
    return np.divide(numerator, denominator, out=np.full(shape, np.nan), where=np.asarray(denominator) > 0)


def _mean(values: np.ndarray) -> float:
    """The mean of what is defined; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
