"""Decision thresholds: the probability from which on a task says that the attribute is present."""

import numpy as np

EQUAL = 1e-12  # two recalls' mean differs by rounding alone below this


def choose_thresholds(probability_NK: np.ndarray, labels_NK: np.ndarray, mask_NK: np.ndarray) -> np.ndarray:
    """The threshold t of each task with the highest balanced accuracy of the decision  p > t.

    All decisions that there are on these images are tried: t halfway between each two neighbouring probabilities, and
    between the outermost ones and 0 and 1. Of equally good ones the nearest to 0.5 is taken. A task that lacks a class
    has 0.5.

    Args:
      probability_NK: float64 in [0, 1], of a validation split.
      labels_NK, mask_NK: bool, whether the attribute is there, and whether that is known.

    Returns:
      [K] float64.

    Example:
      >>> probability_NK = np.array([[0.1], [0.3], [0.2], [0.05]])
      >>> choose_thresholds(probability_NK, np.array([[1], [1], [0], [0]]) > 0, np.ones((4, 1), bool)).round(4)
      array([0.25])
    """
    columns = zip(probability_NK.T, labels_NK.T, mask_NK.T, strict=True)
    return np.array(
        [_choose(probability_N[known_N], labels_N[known_N]) for probability_N, labels_N, known_N in columns]
    )


def _choose(probability_N: np.ndarray, labels_N: np.ndarray) -> float:
    if labels_N.all() or not labels_N.any():
        return 0.5
    edges = np.unique(np.concatenate([[0.0], probability_N, [1.0]]))
    candidates_M = (edges[1:] + edges[:-1]) / 2
    positives, negatives = np.sort(probability_N[labels_N]), np.sort(probability_N[~labels_N])
    missed_M, spared_M = (np.searchsorted(of, candidates_M, side="right") / len(of) for of in (positives, negatives))
    balanced_M = (1 - missed_M + spared_M) / 2
    best = candidates_M[balanced_M >= balanced_M.max() - EQUAL]
    return float(best[np.abs(best - 0.5).argmin()])
