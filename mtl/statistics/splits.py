"""The test splits of a study: one that all runs share, or folds that have no image in common."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from mtl.statistics.predictions import Predictions, Runs, check_same_test_split

Splits = list[dict[int, Predictions]]  # for each test split: seed -> a run that was tested on it


def find_splits(runs: Runs) -> Splits:
    """Which seeds were tested on the same images.

    Raises:
      UserError: if two runs of the same seed, or of splits that overlap, were tested on different images, labels or
        tasks.

    Example:
      >>> one, other = np.array(["1.jpg", "2.jpg"]), np.array(["3.jpg", "4.jpg"])
      >>> logits, yes, who = np.ones((2, 1)), np.ones((2, 1), bool), np.array([4, 4])
      >>> a = Predictions(logits, yes, yes, who, np.array([True]), ("smile",), one)
      >>> [sorted(split) for split in find_splits({"joint": {0: a, 1: a._replace(ids_N=other), 2: a}})]
      [[0, 2], [1]]
    """
    splits: Splits = []
    for seed in sorted({seed for of_method in runs.values() for seed in of_method}):
        run = check_same_test_split(_of_seed(runs, seed))
        same = next((split for split in splits if np.array_equal(_first(split).ids_N, run.ids_N)), None)
        if same is None:
            splits.append({seed: run})
        else:
            same[seed] = run
    for split in splits:
        check_same_test_split({method: _of_seeds(of_method, split) for method, of_method in runs.items()})
    if any(np.isin(_first(a).ids_N, _first(b).ids_N).any() for a, b in combinations(splits, 2)):
        check_same_test_split(runs)  # says which runs differ, and in what
    return splits


def by_split(values_S: Mapping[int, np.ndarray], splits: Splits) -> np.ndarray:
    """What is independent: seeds on one split as they are, folds as the mean over the seeds that were tested on each.

    Args:
      values_S: seed -> array.

    Example:
      >>> one, other = np.array(["1.jpg"]), np.array(["2.jpg"])
      >>> a = Predictions(np.ones((1, 1)), *[np.ones((1, 1), bool)] * 2, np.array([4]), np.array([True]), ("s",), one)
      >>> folds = find_splits({"joint": {0: a, 1: a._replace(ids_N=other), 2: a}})
      >>> by_split({0: np.array([1.0]), 1: np.array([5.0]), 2: np.array([3.0])}, folds).tolist()
      [[2.0], [5.0]]
    """
    if len(splits) == 1:
        return np.stack([values_S[seed] for seed in sorted(values_S)])
    folds = [[values_S[seed] for seed in split if seed in values_S] for split in splits]
    return np.stack([np.mean(fold, axis=0) for fold in folds if fold])


def _first(split: Mapping[int, Predictions]) -> Predictions:
    return next(iter(split.values()))


def _of_seed(runs: Runs, seed: int) -> Runs:
    return {method: {seed: of_method[seed]} for method, of_method in runs.items() if seed in of_method}


def _of_seeds(of_method: Mapping[int, Predictions], seeds: Mapping[int, Predictions]) -> dict[int, Predictions]:
    return {seed: run for seed, run in of_method.items() if seed in seeds}
