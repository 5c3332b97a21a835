"""Scores of binary tasks: mergeable counts, and what is computed from them.

Shape legend: N images, K tasks. A label that is missing (mask False) counts nowhere.
"""

from typing import NamedTuple

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
    return divide(counts.true_positives_K + counts.true_negatives_K, np.sum(counts, axis=0))


def balanced_accuracy(counts: Counts) -> np.ndarray:
    """Mean of the recalls of the two classes, [K]; of the one class where the other does not occur.

    Example:
      >>> balanced_accuracy(Counts(*np.array([[3], [1], [4], [1]])))
      array([0.775])
    """
    recalls = np.stack(
        [
            divide(counts.true_positives_K, counts.true_positives_K + counts.false_negatives_K),
            divide(counts.true_negatives_K, counts.true_negatives_K + counts.false_positives_K),
        ]
    )
    known = ~np.isnan(recalls)
    return divide(np.where(known, recalls, 0.0).sum(axis=0), known.sum(axis=0))


def f1(counts: Counts) -> np.ndarray:
    """2 TP / (2 TP + FP + FN), [K]; NaN where nothing is positive and nothing was said to be.

    Example:
      >>> f1(Counts(*np.array([[3], [1], [4], [2]])))
      array([0.66666667])
    """
    twice = 2 * counts.true_positives_K
    return divide(twice, twice + counts.false_positives_K + counts.false_negatives_K)


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


def evaluate(outputs_NO: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, float]:
    """The scores of one task under the names of results.json, over images whose labels are known.

    Args:
      outputs_NO: [N, 1] float, logits.
      labels_N: 0 or 1.
      guess: the training split's more frequent class; always saying it gives `majority_accuracy`.

    Example:
      >>> evaluate(np.array([[2.0], [-1.0], [0.5], [-3.0]]), np.array([1, 1, 1, 0]), guess=1)["accuracy"]
      0.75
    """
    logits_N1, labels_N1, known_N1 = outputs_NO, labels_N[:, None].astype(bool), np.ones((len(labels_N), 1))
    counts = count(logits_N1, labels_N1, known_N1)
    guessed = count(np.full(logits_N1.shape, guess - 0.5), labels_N1, known_N1)
    return {
        "accuracy": float(accuracy(counts)[0]),
        "balanced_accuracy": float(balanced_accuracy(counts)[0]),
        "f1": float(f1(counts)[0]),
        "average_precision": average_precision(outputs_NO[:, 0], labels_N.astype(bool)),
        "majority_accuracy": float(accuracy(guessed)[0]),
        "positives": int(labels_N1.sum()),
    }


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient in float64, NaN where the denominator is not above 0.

    Example:
      >>> divide(np.array([1, 1]), np.array([4, 0]))
      array([0.25,  nan])
    """
    shape = np.shape(denominator)
    return np.divide(numerator, denominator, out=np.full(shape, np.nan), where=np.asarray(denominator) > 0)
