"""One method less another: gains and losses per task and overall, Delta_m, negative transfer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtl.kinds import BINARY, Kind
from mtl.metrics.scores import IN_UNITS, main_score, names_of
from mtl.statistics.bootstrap import Draws, clusters, mean_over_tasks, multiplicities, resample, scores_of
from mtl.statistics.predictions import Predictions, Runs, check_same_test_split
from mtl.statistics.significance import gain, holm, percentiles, seed_variances

REFERENCES = ("joint", "single_task", "random_drop")
ONE_SEED = "one seed"  # in place of a verdict: seeds of the same method can differ by as much


def compare_all(
    runs: Runs, baselines: Mapping[str, str] = {}, level: float = 0.95, num_resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Method -> reference -> comparison, for all pairs with a common seed.

    Args:
      runs, level, num_resamples, seed: as of `compare`.
      baselines: method -> what it is compared with instead of `REFERENCES`: a method that was trained under the same
        conditions.

    Example:
      >>> good, bad, known = np.array([[1.0], [1.0], [-1.0]]), np.ones((3, 1)), np.ones((3, 1), bool)
      >>> rest = (good > 0, known, np.array([1, 2, 3]), np.array([True]), ("smile",), np.array(["1", "2", "3"]))
      >>> a, b = Predictions(good, *rest), Predictions(bad, *rest)
      >>> compared = compare_all({"dst": {0: a}, "joint": {0: b}}, num_resamples=50)
      >>> round(compared["dst"]["joint"]["accuracy"]["overall"]["difference"], 4)
      0.3333
    """
    first = check_same_test_split(runs)
    cluster_N = clusters(first.identity_N)
    multiplicity_RC = multiplicities(cluster_N.max() + 1, num_resamples, seed)
    num_clusters = [len(np.unique(cluster_N[known_N])) for known_N in first.mask_NK.T]
    draws = {m: {s: resample(run, cluster_N, multiplicity_RC) for s, run in runs[m].items()} for m in runs}
    return {
        method: {
            reference: compare_draws(of_method, draws[reference], first.tasks, num_clusters, level, first.kinds)
            for reference in references_of(method, baselines)
            if reference in draws and reference != method and of_method.keys() & draws[reference].keys()
        }
        for method, of_method in draws.items()
    }


def references_of(method: str, baselines: Mapping[str, str]) -> tuple[str, ...]:
    """What a method is compared with, as far as it was trained.

    >>> references_of("joint_few_labels", {"dst_few_labels": "joint_few_labels"})
    ('joint', 'single_task', 'random_drop')
    >>> references_of("dst_few_labels", {"dst_few_labels": "joint_few_labels"})
    ('joint_few_labels',)
    """
    return (baselines[method],) if method in baselines else REFERENCES


def compare(
    a: Mapping[int, Predictions],
    b: Mapping[int, Predictions],
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Method a less method b over the seeds that both have; see `compare_draws`.

    Args:
      a, b: seed -> predictions of the same test images.
      level: of the intervals; 1 - level is the level of significance.
      num_resamples: R, of the bootstrap over identities.
      seed: of the bootstrap's draws.

    Raises:
      UserError: if two runs were tested on different images, labels or tasks, or SciPy is missing.

    Example:
      >>> good, bad, known = np.array([[1.0], [1.0], [-1.0]]), np.ones((3, 1)), np.ones((3, 1), bool)
      >>> rest = (good > 0, known, np.array([1, 2, 3]), np.array([True]), ("smile",), np.array(["1", "2", "3"]))
      >>> a, b = Predictions(good, *rest), Predictions(bad, *rest)
      >>> compare({0: a}, {0: b}, num_resamples=50)["accuracy"]["overall"]["verdict"]
      'one seed'
    """
    assert a.keys() & b.keys(), "methods are compared over the seeds that both have"
    return compare_all({"a": a, "b": b}, {"a": "b"}, level, num_resamples, seed)["a"]["b"]


def compare_draws(
    a: Mapping[int, Draws],
    b: Mapping[int, Draws],
    tasks: Sequence[str],
    num_clusters: Sequence[int],
    level: float,
    kinds: Sequence[Kind] = (),
) -> dict[str, Any]:
    """The comparison of two methods from their scores on the same resamples.

    The overall score is the unweighted mean over tasks. A task's verdict follows from its p value after Holm's
    correction over the tasks, the overall one from its own; there is no correction over methods, references and scores.
    With a single seed there is no verdict (`ONE_SEED`): the interval and the p value are about those two networks.

    Args:
      a, b: seed -> scores.
      tasks: names of the K tasks.
      num_clusters: with a label of each task.
      level: of the intervals.
      kinds: of the tasks; () where all are binary.

    Returns:
      {"seeds", "accuracy", "balanced_accuracy", "delta_m", "negative_transfer", "lower", "higher"}: for each score
      {"overall": G, "tasks": {task: G}}, G from `gain` with "verdict" and, for tasks, "holm_p_value";
      "negative_transfer" counts and names the tasks whose accuracy is a loss; "lower" and "higher" count those whose
      accuracy is below and above the reference's, significantly or not. Where tasks are not binary, they are joined by
      the other scores, each of the tasks that have it, and where one is a regression the "score" takes the accuracy's
      place in the counts. Scores in the table's unit have no "overall".

    Example:
      >>> one, other = (Draws(scores, scores) for scores in (np.array([[0.75], [0.5], [1.0]]), np.full((3, 1), 0.5)))
      >>> comparison = compare_draws({0: one}, {0: other}, ["smile"], num_clusters=[2], level=0.95)
      >>> comparison["accuracy"]["overall"]["difference"]
      0.25
    """
    seeds, kinds = sorted(a.keys() & b.keys()), kinds or (BINARY,) * len(tasks)
    of_a, of_b = ({name: _over_seeds(runs, name, seeds) for name in scores_of(runs[seeds[0]])} for runs in (a, b))
    gains = {
        name: _gains(of_a[name] - of_b[name], name, columns, tasks, num_clusters, level)
        for name, columns in names_of(kinds).items()
        if name in of_a
    }
    main = gains[main_score(kinds)]["tasks"]
    losses = [task for task, of_task in main.items() if of_task["verdict"] == "loss"]
    differences = [of_task["difference"] or 0.0 for of_task in main.values()]
    is_error_K = np.array([kind.name == "regression" for kind in kinds])
    a_RK, b_RK = (np.where(is_error_K, of.get("mae", np.nan), of["accuracy"]).mean(axis=0) for of in (of_a, of_b))
    return {
        "seeds": seeds,
        **gains,
        "delta_m": delta_m(a_RK, b_RK, level, is_error_K),
        "negative_transfer": {"num_tasks": len(losses), "tasks": losses},
        "lower": sum(difference < 0 for difference in differences),
        "higher": sum(difference > 0 for difference in differences),
    }


def _over_seeds(runs: Mapping[int, Draws], name: str, seeds: Sequence[int]) -> np.ndarray:
    return np.stack([scores_of(runs[seed])[name] for seed in seeds])


def delta_m(a_RK: np.ndarray, b_RK: np.ndarray, level: float, is_error_K: np.ndarray | None = None) -> dict[str, Any]:
    """Delta_m: mean (and median) over tasks of the relative change 100 (a - b) / b, in per cent (Maninis et al. 2019).

    Args:
      a_RK, b_RK: accuracies, mean over seeds, as in `Draws`. Tasks without a label, or with b = 0, are left out.
      level: of the bootstrap's percentile interval of the mean, which holds for these very networks.
      is_error_K: tasks of which a and b are errors (MAE): their change has the other sign (Vandenhende et al. 2021).

    Example:
      >>> scores, reference = np.array([[0.9, 0.5], [0.9, 0.5]]), np.array([[0.75, 0.5], [0.75, 0.5]])  # one resample
      >>> round(delta_m(scores, reference, level=0.95)["mean"], 6)  # +20% and 0%
      10.0
    """
    defined = b_RK > 0
    change_RK = 100 * np.divide(a_RK - b_RK, b_RK, out=np.full(b_RK.shape, np.nan), where=defined)
    if is_error_K is not None:
        change_RK = np.where(is_error_K, -change_RK, change_RK)
    if not defined[0].any():
        return {"mean": None, "median": None, "interval": None}
    means = mean_over_tasks(change_RK)
    return {
        "mean": float(means[0]),
        "median": float(np.median(change_RK[0, defined[0]])),
        "interval": percentiles(means[1:][~np.isnan(means[1:])], level),
    }


def _gains(
    difference_SRK: np.ndarray,
    score: str,
    columns: Sequence[int],
    tasks: Sequence[str],
    num_clusters: Sequence[int],
    level: float,
) -> dict[str, Any]:
    """The gain in one score, of the tasks in `columns`: {"overall": gain, "tasks": {task: gain}} with verdicts."""
    difference_SRK = difference_SRK[:, :, columns]
    tasks, num_clusters = [tasks[k] for k in columns], [num_clusters[k] for k in columns]
    difference_RK = difference_SRK.mean(axis=0).round(12)  # an error in rounding is no difference
    columns_KR = [*difference_RK.T, mean_over_tasks(difference_RK)]
    per_task, of_mean = seed_variances(difference_SRK[:, 0])
    *gains, overall = (
        gain(float(column_R[0]), column_R[1:], num, of_seeds, level)
        for column_R, num, of_seeds in zip(
            columns_KR, [*num_clusters, max(num_clusters)], [*per_task, of_mean], strict=True
        )
    )
    corrected, num_seeds = holm([of_task["p_value"] for of_task in gains]), len(difference_SRK)
    is_error = score in IN_UNITS
    of_tasks = {
        task: of_task | {"holm_p_value": p, "verdict": _verdict(of_task["difference"], p, num_seeds, level, is_error)}
        for task, of_task, p in zip(tasks, gains, corrected, strict=True)
    }
    if is_error:  # of tasks with units of their own there is no mean
        return {"tasks": of_tasks}
    verdict = _verdict(overall["difference"], overall["p_value"], num_seeds, level)
    return {"overall": overall | {"verdict": verdict}, "tasks": of_tasks}


def _verdict(difference: float, p_value: float | None, num_seeds: int, level: float, is_error: bool = False) -> str:
    if num_seeds == 1:
        return ONE_SEED
    if p_value is None or p_value >= 1 - level:
        return "cannot be told apart"
    return "gain" if (difference < 0) == is_error else "loss"
