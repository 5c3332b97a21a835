"""Scores of tasks whose label is a number, all from sums over images.

Shape legend: N images.
"""

from typing import NamedTuple

import numpy as np

from mtl.metrics.binary import divide


class Sums(NamedTuple):
    """Sums over images, all of one shape; those of two parts of a split add up.

    Attributes:
      number: images.
      absolute, squared: |z - y| and (z - y)^2 of what was said, z, and the label, y.
      label, label_squared: y and y^2.
      guess: |g - y| of the guess g, the training split's median.
    """

    number: np.ndarray
    absolute: np.ndarray
    squared: np.ndarray
    label: np.ndarray
    label_squared: np.ndarray
    guess: np.ndarray


def terms(said_N: np.ndarray, labels_N: np.ndarray, guess: float) -> Sums:
    """What each image adds to the sums, [N] float64 each.

    Example:
      >>> terms(np.array([1.0, 4.0]), np.array([2.0, 2.0]), guess=0.0).squared
      array([1., 4.])
    """
    said_N, labels_N = said_N.astype(np.float64), labels_N.astype(np.float64)
    error_N = said_N - labels_N
    return Sums(
        np.ones_like(error_N), np.abs(error_N), error_N**2, labels_N, labels_N**2, np.abs(guess - labels_N)
    )  # fmt: skip


def mae(sums: Sums) -> np.ndarray:
    """The mean absolute error, in the label's unit; NaN without an image.

    Example:
      >>> float(mae(Sums(*np.array([2.0, 3.0, 5.0, 4.0, 8.0, 4.0]))))
      1.5
    """
    return divide(sums.absolute, sums.number)


def rmse(sums: Sums) -> np.ndarray:
    """The root of the mean squared error, in the label's unit.

    Example:
      >>> float(rmse(Sums(*np.array([2.0, 4.0, 8.0, 4.0, 8.0, 4.0]))))
      2.0
    """
    return np.sqrt(divide(sums.squared, sums.number))


def r2(sums: Sums) -> np.ndarray:
    """The coefficient of determination, 1 - sum (z - y)^2 / sum (y - mean of y)^2; NaN where all labels are equal.

    Example:
      >>> float(r2(Sums(*np.array([2.0, 2.0, 1.0, 2.0, 4.0, 2.0]))))  # labels 0 and 2
      0.5
    """
    spread = sums.label_squared - divide(sums.label, sums.number) * sums.label
    tiny = 1e-12 * sums.label_squared  # what rounding leaves of equal labels
    return 1.0 - divide(sums.squared, np.where(spread > tiny, spread, 0.0))


def skill(sums: Sums) -> np.ndarray:
    """1 - MAE / MAE of always saying the training split's median: 1 is perfect, 0 no better than that guess.

    Example:
      >>> float(skill(Sums(*np.array([2.0, 3.0, 5.0, 4.0, 8.0, 4.0]))))
      0.25
    """
    return 1.0 - divide(sums.absolute, sums.guess)


def evaluate(outputs_NO: np.ndarray, labels_N: np.ndarray, guess: float, std: float = 1.0) -> dict[str, float]:
    """The scores of one task under the names of results.json, over images whose labels are known.

    Args:
      outputs_NO: [N, 1] float, in the unit of the labels.
      labels_N: float.
      guess: the training split's median, in that unit too.
      std: the table's unit in that of the labels: errors are given in the table's.

    Example:
      >>> evaluate(np.array([[1.0], [3.0]]), np.array([2.0, 2.0]), guess=0.0, std=10.0)
      {'score': 0.5, 'mae': 10.0, 'rmse': 10.0, 'r2': nan, 'median_mae': 20.0}
    """
    sums = Sums(*(term.sum() for term in terms(outputs_NO[:, 0], labels_N, guess)))
    return {
        "score": float(skill(sums)),
        "mae": std * float(mae(sums)),
        "rmse": std * float(rmse(sums)),
        "r2": float(r2(sums)),
        "median_mae": std * float(divide(sums.guess, sums.number)),
    }
