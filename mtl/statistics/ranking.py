"""Average precision on resamples of the test split: how well a task ranks images, whatever its threshold."""

import numpy as np

from mtl.kinds import columns
from mtl.statistics.predictions import Predictions, kinds_of

MAX_RESAMPLES = 500  # each resample of each task is summed up anew; a standard error needs no more
_CHUNK = 8_000_000  # entries that are summed up at a time


def resample_average_precision(run: Predictions, cluster_N: np.ndarray, multiplicity_RC: np.ndarray) -> np.ndarray:
    """Average precision of each task on the test split and on the first `MAX_RESAMPLES` resamples, [1 + R', K].

    An image that is drawn n times counts n times; images with equal logits enter together, as in
    `metrics.average_precision`. NaN where a resample has no positive, and for tasks that are not binary.

    Args:
      run, cluster_N, multiplicity_RC: as of `bootstrap.resample`.

    Example:
      >>> logits, there = np.array([[3.0], [2.0], [1.0]]), np.array([[True], [False], [True]])
      >>> ids_N, known = np.array(["1.jpg", "2.jpg", "3.jpg"]), np.ones((3, 1), bool)
      >>> run = Predictions(logits, there, known, np.arange(3), np.array([True]), ("smile",), ids_N)
      >>> resample_average_precision(run, np.arange(3), np.array([[1, 1, 1], [1, 2, 0]])).round(4).tolist()
      [[0.8333], [1.0]]
    """
    drawn_CR = np.ascontiguousarray(multiplicity_RC[: 1 + MAX_RESAMPLES].T)
    found_RK = np.full((drawn_CR.shape[1], len(run.tasks)), np.nan)
    for k, (kind, of) in enumerate(zip(kinds_of(run), columns(kinds_of(run)), strict=True)):
        if kind.name == "binary":
            known_N = run.mask_NK[:, k]
            logits_N, labels_N = run.logits_NK[known_N, of][:, 0], run.labels_NK[known_N, k] > 0
            found_RK[:, k] = _of_task(logits_N, labels_N, drawn_CR, cluster_N[known_N])
    return found_RK


def _of_task(logits_N: np.ndarray, labels_N: np.ndarray, drawn_CR: np.ndarray, cluster_N: np.ndarray) -> np.ndarray:
    """With M positives: sum_m n_m precision_m / sum_m n_m, where n_m is how often the positive was drawn."""
    if not labels_N.any():
        return np.full(drawn_CR.shape[1], np.nan)
    order = np.argsort(-logits_N, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(logits_N[order])), len(order) - 1)  # the last of each group of ties
    positive_M = np.flatnonzero(labels_N[order])
    end_M = ends[np.searchsorted(ends, positive_M)]
    last_M = np.searchsorted(positive_M, end_M, side="right") - 1  # the last positive that enters with each
    num_chunks = -(-drawn_CR.shape[1] * len(order) // _CHUNK)
    parts = [
        _sum_up(chunk_CR[cluster_N[order]], positive_M, end_M, last_M)
        for chunk_CR in np.array_split(drawn_CR, num_chunks, axis=1)
    ]
    return np.concatenate(parts)


def _sum_up(drawn_NR: np.ndarray, positive_M: np.ndarray, end_M: np.ndarray, last_M: np.ndarray) -> np.ndarray:
    of_positive_MR = drawn_NR[positive_M]
    hits_MR = np.cumsum(of_positive_MR, axis=0, dtype=np.int32)
    images_MR = np.cumsum(drawn_NR, axis=0, dtype=np.int32)[end_M]
    precision_MR = hits_MR[last_M] / np.maximum(images_MR, 1)  # without an image nothing was drawn, and it counts 0
    total_R = hits_MR[-1]
    summed_R = (of_positive_MR * precision_MR).sum(axis=0)
    return np.divide(summed_R, total_R, out=np.full(len(total_R), np.nan), where=total_R > 0)
