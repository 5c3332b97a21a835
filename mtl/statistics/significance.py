"""How large is a difference, and could it be chance? Standard error, interval, p value, correction for many tasks.

Two things vary. Other test images would have given other scores: the cluster bootstrap over identities measures that
(bootstrap.py). Other seeds would have given other networks: the spread of the differences over seeds measures that, and
with it how differently the seeds meet these images. What all seeds have in common, since they are tested on the same
images, it cannot show, and that is added. Folds are tested on different images, so they have none of it in common; but
their training images overlap, for which the spread over folds is widened. With one seed the spread is unknown and left
out: the statement is then about these very networks, and another seed may well say otherwise.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from mtl.errors import not_installed


class Variance(NamedTuple):
    """An estimated variance and its degrees of freedom."""

    value: float
    freedom: int


def seed_variances(difference_SK: np.ndarray, overlap: float = 0.0) -> tuple[list[Variance], Variance]:
    """The variance over seeds of the mean over seeds, for each task and for the mean over tasks.

    A sample variance s_k^2 of two or three seeds is often far too small by chance, and a task with such luck would look
    significant. So each task takes the larger of
      s_k^2 / S             with S - 1 degrees of freedom, its own, and
      mean_k s_k^2 / S      with K (S - 1), the tasks' average;
    the mean over tasks takes the larger of its own and the average / K, its variance if tasks varied independently.

    Folds share training images, so their differences are correlated and s_k^2 / S is too small: it becomes
      s_k^2 (1 / S + n_test / n_train)     (Nadeau and Bengio 2003, their corrected resampled t test)

    Args:
      difference_SK: of a score, for each seed and task; NaN for a task without a label.
      overlap: n_test / n_train of a fold; 0 for seeds of one split.

    Example:
      >>> per_task, of_mean = seed_variances(np.array([[0.0, 0.25], [0.5, 0.25]]))  # two seeds, two tasks
      >>> per_task
      [Variance(value=0.0625, freedom=1), Variance(value=0.03125, freedom=2)]
      >>> of_mean
      Variance(value=0.015625, freedom=1)
    """
    num_seeds, num_tasks = len(difference_SK), int((~np.isnan(difference_SK[0])).sum())
    if num_seeds == 1 or num_tasks == 0:
        return [Variance(0.0, 1)] * difference_SK.shape[1], Variance(0.0, 1)
    divided = 1 / num_seeds + overlap
    own_K = difference_SK.var(axis=0, ddof=1) * divided
    average = Variance(float(np.nanmean(own_K)), num_tasks * (num_seeds - 1))
    of_mean = float(np.nanmean(difference_SK, axis=1).var(ddof=1)) * divided
    per_task = [max(Variance(float(own), num_seeds - 1), average) for own in own_K]
    return per_task, Variance(max(of_mean, average.value / num_tasks), num_seeds - 1)


def common_variance(resampled_SR: np.ndarray) -> tuple[float, float]:
    """The bootstrap's variance of a mean over seeds, in the parts that seeds share and do not share.

    With d_s the difference of seed s on a resample, the part that all seeds have in common is the mean covariance of
    two different seeds,
      v_c = (S^2 Var(mean_s d_s) - sum_s Var(d_s)) / (S (S - 1)),  at least 0;
    for one seed it is Var(d).

    Args:
      resampled_SR: for each seed, on each resample; resamples that lack a label are NaN.

    Returns:
      The variance of the mean, and of that the common part: (v_i, v_c).

    Example:
      >>> common_variance(np.array([[1.0, 3.0], [1.0, 3.0]]))  # all of it
      (2.0, 2.0)
      >>> common_variance(np.array([[1.0, 1.0, 3.0, 3.0], [1.0, 3.0, 1.0, 3.0]]))[1]  # nothing
      0.0
    """
    known_SR = resampled_SR[:, ~np.isnan(resampled_SR).any(axis=0)]
    num_seeds, of_mean = len(known_SR), float(known_SR.mean(axis=0).var(ddof=1))
    if num_seeds == 1:
        return of_mean, of_mean
    between = num_seeds**2 * of_mean - float(known_SR.var(axis=1, ddof=1).sum())
    return of_mean, min(of_mean, max(0.0, between / (num_seeds * (num_seeds - 1))))


def gain(
    difference: float, resampled_SR: np.ndarray, num_clusters: int, of_seeds: Variance, level: float
) -> dict[str, Any]:
    """A mean difference over seeds, with its standard error, Student's t intervals and two-sided p value.

      standard error^2 = v_c + max(v_s, v_i - v_c)
      degrees of freedom = (v_c + v_s)^2 / (v_c^2 (1 / (C - 1) + 1 / (R - 1)) + v_s^2 / freedom of v_s)
    (Satterthwaite 1946; R resamples know v_c no better than R drawn test splits would), but at most twice those of v_s:
    where v_s is small by chance, the quotient is large by chance.

    With v_i and v_c from `common_variance`: the spread over seeds holds what else there is of v_i, and cannot be less.

    Args:
      difference: of a score, mean over seeds; NaN where it is not defined.
      resampled_SR: that of each seed on each resample; NaN where the resample has no label.
      num_clusters: C, those with a label. With fewer than two nothing but the difference can be said.
      of_seeds: v_s, from `seed_variances`.
      level: of the intervals.

    Returns:
      {"difference", "standard_error", "interval", "equivalence_interval", "image_interval", "p_value"}: fractions; None
      what cannot be said. "equivalence_interval" has the level 1 - 2 (1 - level); "image_interval" is the bootstrap's
      percentile interval, which holds for these very networks.

    Example:
      >>> found = gain(0.5, np.array([[0.25, 0.5, 0.75]]), num_clusters=3, of_seeds=Variance(0.0, 1), level=0.5)
      >>> found["standard_error"], found["image_interval"], round(found["p_value"], 3)
      (0.25, [0.375, 0.625], 0.295)
    """
    if num_clusters < 2 or np.isnan(difference):
        unknown = dict.fromkeys(("standard_error", "interval", "equivalence_interval", "image_interval", "p_value"))
        return {"difference": None if np.isnan(difference) else difference} | unknown
    of_mean, common = common_variance(resampled_SR)
    spread = max(of_seeds.value, of_mean - common)
    standard_error = (common + spread) ** 0.5
    if standard_error > 0:
        known_to = 1 / (num_clusters - 1) + 1 / (resampled_SR.shape[1] - 1)
        freedom = standard_error**4 / (common**2 * known_to + spread**2 / of_seeds.freedom)
        freedom = min(freedom, 2 * of_seeds.freedom) if spread > 0 else freedom
        p_value = 2 * float(special().stdtr(freedom, -abs(difference) / standard_error))
        halves = [float(special().stdtrit(freedom, q)) * standard_error for q in (0.5 + level / 2, level)]
    else:  # every image and every seed says the same
        p_value, halves = float(difference == 0), [0.0, 0.0]
    means_R = resampled_SR.mean(axis=0)
    return {
        "difference": difference,
        "standard_error": standard_error,
        "interval": [difference - halves[0], difference + halves[0]],
        "equivalence_interval": [difference - halves[1], difference + halves[1]],
        "image_interval": percentiles(means_R[~np.isnan(means_R)], level),
        "p_value": p_value,
    }


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (1979): each adjusted value below alpha is significant at family-wise level alpha.

    The i-th smallest of m values times m - i + 1, never less than the one before it, at most 1. None stays None and
    does not count.

    >>> holm([0.5, 0.25, 0.125])
    [0.5, 0.5, 0.375]
    """
    adjusted, largest = list(p_values), 0.0
    ascending = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    for rank, (p, i) in enumerate(ascending):
        adjusted[i] = largest = max(largest, min(1.0, p * (len(ascending) - rank)))
    return adjusted


def percentiles(values: np.ndarray, level: float) -> list[float]:
    """The interval that leaves out (1 - level) / 2 of the values on either side.

    Example:
      >>> percentiles(np.arange(101.0), level=0.5)
      [25.0, 75.0]
    """
    return np.quantile(values, [0.5 - level / 2, 0.5 + level / 2]).tolist()


def special() -> ModuleType:
    """SciPy's functions of Student's t distribution.

    >>> float(special().stdtr(3, 0.0))
    0.5
    """
    try:
        from scipy import special
    except ImportError:
        raise not_installed("methods are compared", "SciPy") from None
    return special
