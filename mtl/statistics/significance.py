"""How large is a difference, and could it be chance? Standard error, interval, p value, correction for many tasks.

Two things vary. Other test images would have given other scores: the cluster bootstrap over identities measures that
(bootstrap.py). Other seeds would have given other networks: the spread of the differences over seeds measures that.
Both are added. As each seed's difference is itself measured on these images, the spread over seeds holds some image
noise already; the sum counts that part twice and so errs towards "cannot be told apart". With one seed the second part
is unknown and left out: the statement is then about these very networks, and another seed may well say otherwise.
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


def seed_variances(difference_SK: np.ndarray) -> tuple[list[Variance], Variance]:
    """The variance over seeds of the mean over seeds, for each task and for the mean over tasks.

    A sample variance s_k^2 of two or three seeds is often far too small by chance, and a task with such luck would look
    significant. So each task takes the larger of
      s_k^2 / S             with S - 1 degrees of freedom, its own, and
      mean_k s_k^2 / S      with K (S - 1), the tasks' average;
    the mean over tasks takes the larger of its own and the average / K, its variance if tasks varied independently.

    Args:
      difference_SK: of a score, for each seed and task; NaN for a task without a label.

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
    own_K = difference_SK.var(axis=0, ddof=1) / num_seeds
    average = Variance(float(np.nanmean(own_K)), num_tasks * (num_seeds - 1))
    of_mean = float(np.nanmean(difference_SK, axis=1).var(ddof=1)) / num_seeds
    per_task = [max(Variance(float(own), num_seeds - 1), average) for own in own_K]
    return per_task, Variance(max(of_mean, average.value / num_tasks), num_seeds - 1)


def gain(
    difference: float, resampled_R: np.ndarray, num_clusters: int, of_seeds: Variance, level: float
) -> dict[str, Any]:
    """A mean difference over seeds, with its standard error, Student's t interval and two-sided p value.

      standard error^2 = v_i + v_s,  v_i = the bootstrap's variance over resamples,  v_s = that over seeds
      degrees of freedom = (v_i + v_s)^2 / (v_i^2 / (C - 1) + v_s^2 / freedom of v_s)     (Satterthwaite 1946)

    Args:
      difference: of a score, mean over seeds; NaN for a task without a label.
      resampled_R: the same on each resample; NaN where the resample has no label.
      num_clusters: C, those with a label. With fewer than two nothing but the difference can be said.
      of_seeds: v_s, from `seed_variances`.
      level: of the intervals.

    Returns:
      {"difference", "standard_error", "interval", "image_interval", "p_value"}: fractions; None what cannot be said.
      "image_interval" is the bootstrap's percentile interval, which holds for these very networks.

    Example:
      >>> found = gain(0.5, np.array([0.25, 0.5, 0.75]), num_clusters=3, of_seeds=Variance(0.0, 1), level=0.5)
      >>> found["standard_error"], found["image_interval"], round(found["p_value"], 3)
      (0.25, [0.375, 0.625], 0.184)
    """
    if num_clusters < 2:
        unknown = dict.fromkeys(("standard_error", "interval", "image_interval", "p_value"))
        return {"difference": None if np.isnan(difference) else difference} | unknown
    known = resampled_R[~np.isnan(resampled_R)]
    of_images = float(known.var(ddof=1))
    standard_error = (of_images + of_seeds.value) ** 0.5
    if standard_error > 0:
        freedom = standard_error**4 / (of_images**2 / (num_clusters - 1) + of_seeds.value**2 / of_seeds.freedom)
        p_value = 2 * float(_special().stdtr(freedom, -abs(difference) / standard_error))
        half = float(_special().stdtrit(freedom, 0.5 + level / 2)) * standard_error
    else:  # every image and every seed says the same
        p_value, half = float(difference == 0), 0.0
    return {
        "difference": difference,
        "standard_error": standard_error,
        "interval": [difference - half, difference + half],
        "image_interval": percentiles(known, level),
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


def _special() -> ModuleType:
    """SciPy's functions of Student's t distribution."""
    try:
        from scipy import special
    except ImportError:
        raise not_installed("methods are compared", "SciPy") from None
    return special
