"""One method less another: gains, losses and equality per task and overall, Delta_m, negative transfer."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from mtl.kinds import BINARY, Kind
from mtl.metrics.scores import IN_UNITS, main_score, names_of
from mtl.statistics.bootstrap import Draws, mean_over_tasks, resample_all, scores_of
from mtl.statistics.predictions import Predictions, Runs
from mtl.statistics.significance import gain, holm, percentiles, seed_variances
from mtl.statistics.splits import Splits, by_split, find_splits
from mtl.statistics.verdicts import LOSS, MARGIN, ONE_SEED, Comparisons, judge, judge_all

REFERENCES = ("joint", "single_task", "random_drop")
Pair = tuple[str, str]  # a method and what it is compared with


class Rules(NamedTuple):
    """How methods are compared: fixed before the first run.

    Attributes:
      level: of the intervals; 1 - level is the level of significance.
      margin: differences below it are as good as none, a fraction.
      pairs: the comparisons that are made; (): each method's with `references_of` it.
      overlap: n_test / n_train of folds.
      num_resamples: R, of the bootstrap over identities.
      seed: of the bootstrap's draws.
    """

    level: float = 0.95
    margin: float = MARGIN
    pairs: tuple[Pair, ...] = ()
    overlap: float = 0.0
    num_resamples: int = 2000
    seed: int = 0


def compare_all(
    runs: Runs,
    baselines: Mapping[str, str] = {},
    rules: Rules = Rules(),  # noqa: B008
    controls: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Method -> reference -> comparison, for all pairs with a common seed; see `compare_draws`.

    The overall verdicts are corrected over all comparisons that are made, see `judge_all`.

    Args:
      runs: of a study.
      baselines: method -> what it is compared with instead of `REFERENCES`: a method that was trained under the same
        conditions.
      rules: see there.
      controls: name -> the method whose dropping it repeats, which is compared with it too.

    Raises:
      UserError: if two runs were tested on different images, labels or tasks, or SciPy is missing.

    Example:
      >>> good, bad, known = np.array([[1.0], [1.0], [-1.0]]), np.ones((3, 1)), np.ones((3, 1), bool)
      >>> rest = (good > 0, known, np.array([1, 2, 3]), np.array([True]), ("smile",), np.array(["1", "2", "3"]))
      >>> a, b = Predictions(good, *rest), Predictions(bad, *rest)
      >>> compared = compare_all({"dst": {0: a}, "joint": {0: b}}, rules=Rules(num_resamples=50))
      >>> round(compared["dst"]["joint"]["accuracy"]["overall"]["difference"], 4)
      0.3333
    """
    splits = find_splits(runs)
    draws, num_clusters = resample_all(runs, splits, rules.num_resamples, rules.seed)
    first = next(iter(splits[0].values()))
    comparisons: Comparisons = {method: {} for method in runs}
    for method, of_method in runs.items():
        named = [reference for name, reference in rules.pairs if name == method]
        for reference in named if rules.pairs else references_of(method, baselines, controls):
            of_reference = runs.get(reference, {})
            if reference == method or not (seeds := sorted(of_method.keys() & of_reference.keys())):
                continue
            a, b = draws[method], draws[reference]
            same = [s for s in seeds if np.array_equal(of_method[s].logits_NK, of_reference[s].logits_NK)]
            compared = compare_draws(a, b, first.tasks, num_clusters, splits, rules, first.kinds)
            comparisons[method][reference] = {"seeds": seeds, "equal_seeds": same} | compared
    judge_all(comparisons, rules.level, rules.margin)
    return comparisons


def references_of(method: str, baselines: Mapping[str, str], controls: Mapping[str, str] = {}) -> tuple[str, ...]:
    """What a method is compared with, as far as it was trained: its baseline or `REFERENCES`, and its controls.

    >>> references_of("joint_few_labels", {"dst_few_labels": "joint_few_labels"})
    ('joint', 'single_task', 'random_drop')
    >>> references_of("dst_few_labels", {"dst_few_labels": "joint_few_labels"}, {"permuted": "dst_few_labels"})
    ('joint_few_labels', 'permuted')
    """
    usual = (baselines[method],) if method in baselines else REFERENCES
    return tuple(dict.fromkeys((*usual, *(name for name, repeated in controls.items() if repeated == method))))


def compare(a: Mapping[int, Predictions], b: Mapping[int, Predictions], rules: Rules = Rules()) -> dict[str, Any]:  # noqa: B008
    """Method a less method b over the seeds that both have; see `compare_draws`.

    Args:
      a, b: seed -> predictions, of a seed on the same test images.
      rules: see there.

    Raises:
      UserError: if two runs were tested on different images, labels or tasks, or SciPy is missing.

    Example:
      >>> good, bad, known = np.array([[1.0], [1.0], [-1.0]]), np.ones((3, 1)), np.ones((3, 1), bool)
      >>> rest = (good > 0, known, np.array([1, 2, 3]), np.array([True]), ("smile",), np.array(["1", "2", "3"]))
      >>> a, b = Predictions(good, *rest), Predictions(bad, *rest)
      >>> compare({0: a}, {0: b}, Rules(num_resamples=50))["accuracy"]["overall"]["verdict"]
      'one seed'
    """
    assert a.keys() & b.keys(), "methods are compared over the seeds that both have"
    return compare_all({"a": a, "b": b}, rules=rules._replace(pairs=(("a", "b"),)))["a"]["b"]


def compare_draws(
    a: Mapping[int, Draws],
    b: Mapping[int, Draws],
    tasks: Sequence[str],
    num_clusters: Sequence[int],
    splits: Splits,
    rules: Rules,
    kinds: Sequence[Kind] = (),
) -> dict[str, Any]:
    """The comparison of two methods from their scores on the same resamples.

    The overall score is the unweighted mean over tasks. A task's verdict follows from its p value after Holm's
    correction over the tasks, the overall one here from its own; `judge_all` corrects that over comparisons.
    With a single seed, or fold, there is no verdict (`ONE_SEED`): interval and p value are about those two networks.

    Args:
      a, b: seed -> scores.
      tasks: names of the K tasks.
      num_clusters: with a label of each task.
      splits: from `find_splits`.
      rules: see there.
      kinds: of the tasks; () where all are binary.

    Returns:
      {"accuracy", "balanced_accuracy", "average_precision", "delta_m", "negative_transfer", "lower", "higher"}: for
      each score {"overall": G, "tasks": {task: G}}, G from `gain` with "verdict" and, for tasks, "holm_p_value";
      "negative_transfer" counts and names the tasks whose accuracy is a loss; "lower" and "higher" count those whose
      accuracy is below and above the reference's, significantly or not. Where tasks are not binary, they are joined by
      the other scores, each of the tasks that have it, and where one is a regression the "score" takes the accuracy's
      place in the counts. Scores in the table's unit have no "overall".

    Example:
      >>> one, other = (Draws(*[x] * 2) for x in (np.array([[0.75], [0.5], [1.0]]), np.full((3, 1), 0.5)))
      >>> comparison = compare_draws({0: one}, {0: other}, ["smile"], [2], [{}], Rules())
      >>> comparison["accuracy"]["overall"]["difference"]
      0.25
    """

    kinds = kinds or (BINARY,) * len(tasks)
    of_a, of_b = (_by_split(runs, a.keys() & b.keys(), splits) for runs in (a, b))
    gains = {
        name: _gains(of_a[name] - of_b[name], name, columns, tasks, num_clusters, rules)
        for name, columns in names_of(kinds).items()
        if name in of_a
    }
    main = gains[main_score(kinds)]["tasks"]
    losses = [task for task, of_task in main.items() if of_task["verdict"] == LOSS]
    differences = [of_task["difference"] or 0.0 for of_task in main.values()]
    is_error_K = np.array([kind.name == "regression" for kind in kinds])
    a_RK, b_RK = (np.where(is_error_K, of.get("mae", np.nan), of["accuracy"]).mean(axis=0) for of in (of_a, of_b))
    return gains | {
        "delta_m": delta_m(a_RK, b_RK, rules.level, is_error_K),
        "negative_transfer": {"num_tasks": len(losses), "tasks": losses},
        "lower": sum(difference < 0 for difference in differences),
        "higher": sum(difference > 0 for difference in differences),
    }


def _by_split(runs: Mapping[int, Draws], seeds: Set[int], splits: Splits) -> dict[str, np.ndarray]:
    names = scores_of(next(iter(runs.values())))
    return {name: by_split({seed: scores_of(runs[seed])[name] for seed in seeds}, splits) for name in names}


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
    rules: Rules,
) -> dict[str, Any]:
    """The gain in one score, of the tasks in `columns`: {"overall": gain, "tasks": {task: gain}} with verdicts."""
    tasks, num_clusters = [tasks[k] for k in columns], [num_clusters[k] for k in columns]
    difference_SRK = difference_SRK[:, :, columns].round(12)  # an error in rounding is no difference
    num_seeds, num_rows, num_tasks = difference_SRK.shape
    mean_SR = mean_over_tasks(difference_SRK.reshape(-1, num_tasks)).reshape(num_seeds, num_rows)
    columns_KSR = [*difference_SRK.transpose(2, 0, 1), mean_SR]
    per_task, of_mean = seed_variances(difference_SRK[:, 0], rules.overlap)
    *gains, overall = (
        gain(float(column_SR[:, 0].mean()), column_SR[:, 1:], num, of_seeds, rules.level)
        for column_SR, num, of_seeds in zip(
            columns_KSR, [*num_clusters, max(num_clusters)], [*per_task, of_mean], strict=True
        )
    )
    is_error = score in IN_UNITS

    def verdict(of: dict[str, Any], p_value: float | None) -> str:
        return ONE_SEED if num_seeds == 1 else judge(of, p_value, rules.level, None if is_error else rules.margin)

    corrected = holm([of_task["p_value"] for of_task in gains])
    of_tasks = {
        task: of_task | {"holm_p_value": p, "verdict": verdict(of_task, p)}
        for task, of_task, p in zip(tasks, gains, corrected, strict=True)
    }
    if is_error:  # of tasks with units of their own there is no mean
        return {"tasks": of_tasks}
    return {"overall": overall | {"verdict": verdict(overall, overall["p_value"])}, "tasks": of_tasks}
