"""Scores of a run on resamples of the test split: the cluster bootstrap over identities.

Photographs of one person resemble each other, so the test split holds fewer independent images than images. What is
drawn with replacement is therefore the person, with all of his or her images (Davison and Hinkley 1997, section 3.8).
The same draws serve every run, so that differences between runs are paired.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from mtl import metrics
from mtl.kinds import columns
from mtl.metrics import classes, regression
from mtl.metrics.scores import IN_UNITS, SCORE, names_of
from mtl.statistics.predictions import Predictions, Runs
from mtl.statistics.ranking import resample_average_precision
from mtl.statistics.splits import Splits

SINGLE = ("f1", "average_precision")  # of binary tasks, which no sums give
_CHUNK = 2_000_000  # entries of the multiplicities that are drawn, or floats, at a time


class Draws(NamedTuple):
    """Scores [1 + R, K] of one run: row 0 on the test split itself, each further row on one resample of it.

    NaN where a task has no label, or is of a kind that has no such score. `others` has the scores, by name, that only
    tasks which are not binary bring, and for a comparison average precision, on fewer resamples.
    """

    accuracy_RK: np.ndarray
    balanced_accuracy_RK: np.ndarray
    others: Mapping[str, np.ndarray] = {}


def scores_of(draws: Draws) -> dict[str, np.ndarray]:
    """Name -> [1 + R, K].

    Example:
      >>> list(scores_of(Draws(np.ones((1, 1)), np.ones((1, 1)))))
      ['accuracy', 'balanced_accuracy']
    """
    return {"accuracy": draws.accuracy_RK, "balanced_accuracy": draws.balanced_accuracy_RK, **draws.others}


def resample_all(
    runs: Runs, splits: Splits, num_resamples: int, seed: int
) -> tuple[dict[str, dict[int, Draws]], list[int]]:
    """Scores of all runs on the same resamples of their test split, and how many clusters each task has a label of.

    Folds hold different people, so each is resampled by itself.

    Args:
      runs: of a study.
      splits: from `find_splits`.
      num_resamples, seed: R, and that of the draws.

    Example:
      >>> from mtl.statistics.splits import find_splits
      >>> logits, yes, ids = np.ones((2, 1)), np.ones((2, 1), bool), np.array(["1.jpg", "2.jpg"])
      >>> run = Predictions(logits, yes, yes, np.array([4, 7]), np.array([True]), ("smile",), ids)
      >>> draws, num_clusters = resample_all({"joint": {0: run}}, find_splits({"joint": {0: run}}), 3, seed=0)
      >>> draws["joint"][0].accuracy_RK.shape, num_clusters
      ((4, 1), [2])
    """
    draws: dict[str, dict[int, Draws]] = {method: {} for method in runs}
    num_clusters_K = np.zeros(len(next(iter(splits[0].values())).tasks), int)
    for number, split in enumerate(splits):
        first = next(iter(split.values()))
        cluster_N = clusters(first.identity_N)
        multiplicity_RC = multiplicities(cluster_N.max() + 1, num_resamples, seed + number)
        num_clusters_K += [len(np.unique(cluster_N[known_N])) for known_N in first.mask_NK.T]
        for method, of_method in runs.items():
            for name in of_method.keys() & split.keys():
                given = (of_method[name], cluster_N, multiplicity_RC)
                found = resample(*given)
                ranked = {"average_precision": resample_average_precision(*given)}
                draws[method][name] = found._replace(others={**found.others, **ranked})
    return draws, num_clusters_K.tolist()


def clusters(identity_N: np.ndarray) -> np.ndarray:
    """Numbers the clusters of images from 0 up: an identity is one, and so is each image of unknown identity (-1).

    >>> clusters(np.array([7, -1, 7, -1])).tolist()
    [2, 1, 2, 0]
    """
    alone_N = -1 - np.arange(len(identity_N))
    return np.unique(np.where(identity_N < 0, alone_N, identity_N), return_inverse=True)[1]


def multiplicities(num_clusters: int, num_resamples: int, seed: int) -> np.ndarray:
    """How often each cluster is in each resample: [1 + R, C] uint8; row 0 has every cluster once.

    C clusters are drawn with replacement from C, so that each row has the sum C.

    Example:
      >>> multiplicities(num_clusters=4, num_resamples=2, seed=0)
      array([[1, 1, 1, 1],
             [0, 1, 2, 1],
             [3, 1, 0, 0]], dtype=uint8)
    """
    generator, num_at_once = np.random.default_rng(seed), -(-_CHUNK // num_clusters)
    rows_RC = [np.ones((1, num_clusters), np.uint8)]
    for first in range(0, num_resamples, num_at_once):
        shape = (min(num_at_once, num_resamples - first), num_clusters)
        drawn_RC = generator.integers(num_clusters, size=shape) + num_clusters * np.arange(shape[0])[:, None]
        rows_RC.append(np.bincount(drawn_RC.ravel(), minlength=drawn_RC.size).reshape(shape).astype(np.uint8))
    return np.concatenate(rows_RC)


def resample(run: Predictions, cluster_N: np.ndarray, multiplicity_RC: np.ndarray) -> Draws:
    """Accuracy and balanced accuracy of a run on each resample, and what other scores its tasks have.

    Counts of true and false positives and negatives add up over images, so a resample's are one matrix product: how
    often each cluster was drawn times the counts within the cluster.

    Example:
      >>> from mtl.statistics.predictions import Predictions
      >>> said, there = np.array([[1.0], [-1.0], [1.0]]), np.array([[True], [False], [False]])
      >>> whose_N, ids_N = np.array([5, 5, 8]), np.array(["1.jpg", "2.jpg", "3.jpg"])
      >>> run = Predictions(said, there, np.ones((3, 1), bool), whose_N, np.array([False]), ("smile",), ids_N)
      >>> resample(run, clusters(whose_N), np.array([[1, 1], [2, 0]])).accuracy_RK  # all; only person 5, twice
      array([[0.66666667],
             [1.        ]])
    """
    assert len(run.logits_NK) < 2**24, "float32 counts images exactly up to here"
    if run.kinds:
        return _resample_kinds(run, cluster_N, multiplicity_RC)
    said, labels = run.logits_NK > 0, run.labels_NK
    cells = np.concatenate([said & labels, said & ~labels, ~said & ~labels, ~said & labels], axis=1)
    cells &= np.tile(run.mask_NK, 4)
    counts = metrics.Counts(*np.split(_sums(cells, cluster_N, multiplicity_RC), 4, axis=1))
    return Draws(metrics.accuracy(counts), metrics.balanced_accuracy(counts))


def _sums(terms_NT: np.ndarray, cluster_N: np.ndarray, multiplicity_RC: np.ndarray) -> np.ndarray:
    """Sums over each resample of what images add, [1 + R, T] float64; counts are exact."""
    dtype = np.float32 if terms_NT.dtype == bool else np.float64
    order = np.argsort(cluster_N, kind="stable")
    starts = np.searchsorted(cluster_N[order], np.arange(multiplicity_RC.shape[1]))
    sums_CT = np.add.reduceat(terms_NT[order].astype(dtype), starts, axis=0)
    chunks = np.array_split(multiplicity_RC, -(-multiplicity_RC.size // _CHUNK))
    return np.concatenate([chunk.astype(dtype) @ sums_CT for chunk in chunks]).astype(np.float64)


def _resample_kinds(run: Predictions, cluster_N: np.ndarray, multiplicity_RC: np.ndarray) -> Draws:
    names = ["accuracy", "balanced_accuracy", *names_of(run.kinds)]
    found = {name: np.full((len(multiplicity_RC), len(run.tasks)), np.nan) for name in names if name not in SINGLE}
    for k, of in enumerate(columns(run.kinds)):
        kind, known_N = run.kinds[k], run.mask_NK[:, k]
        outputs_NO, labels_N = run.logits_NK[:, of], np.where(known_N, run.labels_NK[:, k], 0.0)
        sums = partial(_known_sums, known_N=known_N, cluster_N=cluster_N, multiplicity_RC=multiplicity_RC)
        scores = _SCORES_OF[kind.name](sums, outputs_NO, labels_N, float(run.majority_K[k]))
        for name, values_R in scores.items():
            found[name][:, k] = kind.std * values_R if name in IN_UNITS else values_R
        if SCORE in found and "accuracy" in scores:
            found[SCORE][:, k] = scores["accuracy"]
    return Draws(found.pop("accuracy"), found.pop("balanced_accuracy"), found)


_Sum = Callable[[np.ndarray], np.ndarray]  # terms [N, T] of images with a label -> [1 + R, T]


def _known_sums(
    terms_NT: np.ndarray, known_N: np.ndarray, cluster_N: np.ndarray, multiplicity_RC: np.ndarray
) -> np.ndarray:
    return _sums(terms_NT * known_N[:, None], cluster_N, multiplicity_RC)


def _of_binary(sums: _Sum, outputs_NO: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, np.ndarray]:
    said_N, there_N = outputs_NO[:, 0] > 0, labels_N > 0
    cells_N4 = np.stack([said_N & there_N, said_N & ~there_N, ~said_N & ~there_N, ~said_N & there_N], axis=1)
    counts = metrics.Counts(*sums(cells_N4).T)
    return {"accuracy": metrics.accuracy(counts), "balanced_accuracy": metrics.balanced_accuracy(counts)}


def _of_classes(sums: _Sum, outputs_NO: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, np.ndarray]:
    counted = sums(np.concatenate(classes.terms(outputs_NO, labels_N), axis=1))
    counts = classes.Margins(*np.split(counted, 3, axis=1))
    return {
        "accuracy": classes.accuracy(counts),
        "balanced_accuracy": classes.balanced_accuracy(counts),
        "macro_f1": classes.macro_f1(counts),
    }


def _of_regression(sums: _Sum, outputs_NO: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, np.ndarray]:
    summed = sums(np.stack(regression.terms(outputs_NO[:, 0], labels_N, guess), axis=1))
    of = regression.Sums(*summed.T)
    return {
        "mae": regression.mae(of),
        "rmse": regression.rmse(of),
        "r2": regression.r2(of),
        SCORE: regression.skill(of),
    }


_SCORES_OF = {"binary": _of_binary, "classes": _of_classes, "regression": _of_regression}


def mean_over_tasks(scores_RK: np.ndarray) -> np.ndarray:
    """The mean over tasks of what is defined, [R]; NaN where nothing is.

    Example:
      >>> mean_over_tasks(np.array([[0.5, 1.0], [0.5, np.nan]]))
      array([0.75, 0.5 ])
    """
    num_known_R = (~np.isnan(scores_RK)).sum(axis=1)
    total_R = np.nansum(scores_RK, axis=1)
    return np.divide(total_R, num_known_R, out=np.full(len(scores_RK), np.nan), where=num_known_R > 0)
