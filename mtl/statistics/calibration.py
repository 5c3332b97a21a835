"""Calibration: of the images that get probability p, a share of p should show the attribute."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl.kinds import columns
from mtl.statistics.predictions import Predictions, only
from mtl.statistics.temperatures import softmax

NUM_BINS = 10


def calibrate(runs: Sequence[Predictions]) -> dict[str, Any]:
    """Reliability and expected calibration error, per task and over all tasks, of the predictions of all runs together.

    Probabilities of presence fall into 10 bins of equal width over [0, 1]. In bin b of n_b predictions, "confidence"
    is their mean probability and "accuracy" the share of images in which the attribute is present;
      ECE = sum_b n_b / n |confidence_b - accuracy_b|
    (Naeini, Cooper and Hauskrecht 2015, for the probability of the one class of a binary task). Of a task of several
    classes the probability is the largest, and "accuracy" the share of images whose class it is (Guo et al. 2017).
    "overall" puts the predictions of all tasks into the same bins. A regression gives no probability and is left out.

    Returns:
      {"overall": C, "tasks": {task: C}} with C = {"expected_calibration_error", "bins": {"confidence", "accuracy",
      "count"}}; bins without predictions are left out, and the error is None without a label.

    Example:
      >>> logits, there, known = np.array([[0.0], [0.0]]), np.array([[True], [False]]), np.ones((2, 1), bool)
      >>> nobody, ids = np.array([-1, -1]), np.array(["1.jpg", "2.jpg"])
      >>> run = Predictions(logits, there, known, nobody, np.array([True]), ("smile",), ids)
      >>> calibrate([run])["overall"]  # 1/2 was said, and 1/2 it is
      {'expected_calibration_error': 0.0, 'bins': {'confidence': [0.5], 'accuracy': [0.5], 'count': [2]}}
    """
    runs = [only(run, "binary", "classes") for run in runs]
    sums_KBT = sum(_bin_sums(run) for run in runs)
    assert isinstance(sums_KBT, np.ndarray), "there is at least one run"
    tasks = runs[0].tasks
    return {
        "overall": _reliability(sums_KBT.sum(axis=0)),
        "tasks": {task: _reliability(sums_BT) for task, sums_BT in zip(tasks, sums_KBT, strict=True)},
    }


def _bin_sums(run: Predictions) -> np.ndarray:
    """Sums of probability, presence and 1 in each bin, [K, B, 3]: those of several runs add up."""
    probability_NK, right_NK = _said(run)
    task_NK = np.broadcast_to(np.arange(len(run.tasks)), probability_NK.shape)
    cell_NK = task_NK * NUM_BINS + np.minimum((probability_NK * NUM_BINS).astype(int), NUM_BINS - 1)
    cells = cell_NK[run.mask_NK]
    summed = (probability_NK, right_NK, np.ones_like(probability_NK))
    sums = [np.bincount(cells, terms[run.mask_NK], len(run.tasks) * NUM_BINS) for terms in summed]
    return np.stack(sums, axis=-1).reshape(len(run.tasks), NUM_BINS, 3)


def _said(run: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Of each task the probability of presence and whether it is so, or of the likeliest class and whether it is it."""
    sigmoid_NO = 0.5 + 0.5 * np.tanh(0.5 * run.logits_NK.astype(np.float64))  # without overflow
    if not run.kinds:
        return sigmoid_NO, run.labels_NK
    probabilities, right = [], []
    for kind, of, labels_N in zip(run.kinds, columns(run.kinds), run.labels_NK.T, strict=True):
        logits_NO = run.logits_NK[:, of]
        is_binary = kind.name == "binary"
        probabilities.append(sigmoid_NO[:, of][:, 0] if is_binary else softmax(logits_NO, 1.0).max(axis=1))
        right.append(labels_N if is_binary else logits_NO.argmax(axis=1) == labels_N)
    return np.stack(probabilities, axis=1), np.stack(right, axis=1)


def _reliability(sums_BT: np.ndarray) -> dict[str, Any]:
    filled = sums_BT[sums_BT[:, 2] > 0]
    probability, present, count = filled.T
    error = float(np.abs(probability - present).sum() / count.sum()) if len(filled) else None
    confidence, accuracy = probability / count, present / count
    bins = {"confidence": confidence.tolist(), "accuracy": accuracy.tolist(), "count": count.astype(int).tolist()}
    return {"expected_calibration_error": error, "bins": bins}
