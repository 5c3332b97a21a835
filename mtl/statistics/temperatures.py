"""Temperatures: one number per task by which logits are divided, so that probabilities say how often they are right."""

from collections.abc import Callable

import numpy as np

LOWEST, HIGHEST = 0.2, 5.0  # bounds of a temperature: where no image is on the wrong side, the best would be 0
NUM_STEPS = 60  # halvings of the interval: more than float64 tells apart


def fit_temperatures(logits_NK: np.ndarray, labels_NK: np.ndarray, mask_NK: np.ndarray) -> np.ndarray:
    """The temperature T of each task with the least negative log likelihood of  p = sigmoid(z / T).

    With b = 1 / T and s = +1 for a positive label, -1 for a negative one, the mean over n of log(1 + exp(-s_n b z_n))
    is convex in b, and its slope  mean_n z_n (sigmoid(b z_n) - y_n)  rises: its zero is found by bisection, in float64.
    T stays within [`LOWEST`, `HIGHEST`]; it is 1 for a task that lacks a class, for which no T is best.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.

    Args:
      logits_NK: float, of a validation split.
      labels_NK, mask_NK: bool, whether the attribute is there, and whether that is known.

    Returns:
      [K] float64.

    Example:
      >>> logits_NK = np.array([[2.0], [2.0], [2.0], [-2.0]])  # the network says 88%, and 2 of 3 are right
      >>> fit_temperatures(logits_NK, np.array([[1], [1], [0], [0]]) > 0, np.ones((4, 1), bool)).round(4)
      array([1.8205])
    """
    columns = zip(logits_NK.astype(np.float64).T, labels_NK.T, mask_NK.T, strict=True)
    return np.array([_fit(logits_N[known_N], labels_N[known_N]) for logits_N, labels_N, known_N in columns])


def probabilities(logits_NK: np.ndarray, temperatures_K: np.ndarray) -> np.ndarray:
    """sigmoid(z / T), float64, without overflow.

    Example:
      >>> probabilities(np.array([[0.0], [-2000.0]]), np.array([2.0]))
      array([[0.5],
             [0. ]])
    """
    return 0.5 + 0.5 * np.tanh(0.5 * logits_NK.astype(np.float64) / temperatures_K)


def fit_temperature(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """The same for a task of several classes, p = softmax(z / T): the slope is  mean_n sum_c z_nc (p_nc - [c = y_n]).

    Args:
      logits_NC: float, of images whose labels are known.
      labels_N: the number of the class.

    Example:
      >>> logits_NC = np.array([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [0.0, -2.0]])
      >>> round(fit_temperature(logits_NC, np.array([1, 1, 0, 0])), 4)  # as of the binary task above
      1.8205
    """
    if len(np.unique(labels_N)) < 2:
        return 1.0
    logits_NC = logits_NC.astype(np.float64)
    of_right = np.take_along_axis(logits_NC, labels_N[:, None].astype(np.int64), axis=1).mean()
    return _bisect(lambda inverse: (logits_NC * softmax(logits_NC, 1 / inverse)).sum(axis=1).mean() - of_right)


def softmax(logits_NC: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(z / T) over classes, float64, without overflow.

    Example:
      >>> softmax(np.array([[0.0, 0.0], [0.0, 2000.0]]), 2.0)
      array([[0.5, 0.5],
             [0. , 1. ]])
    """
    cooled_NC = logits_NC.astype(np.float64) / temperature
    powers_NC = np.exp(cooled_NC - cooled_NC.max(axis=1, keepdims=True))
    return powers_NC / powers_NC.sum(axis=1, keepdims=True)


def _fit(logits_N: np.ndarray, labels_N: np.ndarray) -> float:
    if labels_N.all() or not labels_N.any():
        return 1.0
    return _bisect(lambda inverse: (logits_N * (probabilities(logits_N, np.array(1 / inverse)) - labels_N)).mean())


def _bisect(slope: Callable[[float], float]) -> float:
    """The temperature at whose inverse a rising slope crosses 0."""
    low, high = 1 / HIGHEST, 1 / LOWEST
    for _ in range(NUM_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / ((low + high) / 2)
