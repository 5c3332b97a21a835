"""What follows from a difference: a gain, a loss, equality within a margin, or nothing yet."""

from collections.abc import Iterator, Mapping
from typing import Any

from mtl.statistics.significance import holm

GAIN, LOSS, EQUAL, UNDECIDED = "gain", "loss", "equal within the margin", "undecided"
ONE_SEED = "one seed"  # in place of a verdict: seeds of the same method can differ by as much
MARGIN = 0.003  # differences below this are as good as none, by default: 0.3 points
Comparisons = dict[str, dict[str, dict[str, Any]]]  # method -> reference -> comparison


def judge(gain: Mapping[str, Any], p_value: float | None, level: float, margin: float | None) -> str:
    """The verdict on a difference.

      gain, loss               p < 1 - level, after whatever correction belongs to it
      equal within the margin  else, if both one-sided tests reject a difference as large as the margin, which is so
                               where the interval of level 1 - 2 (1 - level) lies within (-margin, margin)
                               (two one-sided tests, Schuirmann 1987)
      undecided                else

    Args:
      gain: from `significance.gain`.
      p_value: corrected; None where nothing can be said.
      level: 0.95 tests at 5%.
      margin: a fraction, as the difference is; None for an error in a table's unit, which has none, and of which less
        is better.

    Example:
      >>> judge({"difference": 0.001, "equivalence_interval": [-0.001, 0.0029]}, 0.4, level=0.95, margin=0.003)
      'equal within the margin'
      >>> judge({"difference": 0.001, "equivalence_interval": [-0.001, 0.0031]}, 0.4, level=0.95, margin=0.003)
      'undecided'
      >>> judge({"difference": -0.01, "equivalence_interval": [-0.015, -0.005]}, 0.01, level=0.95, margin=0.003)
      'loss'
    """
    if p_value is None:
        return UNDECIDED
    if p_value < 1 - level:
        return GAIN if (gain["difference"] > 0) == (margin is not None) else LOSS
    low, high = gain["equivalence_interval"]
    return EQUAL if margin is not None and -margin < low and high < margin else UNDECIDED


def judge_all(comparisons: Comparisons, level: float, margin: float) -> None:
    """Fills in the overall verdicts of a study's comparisons, in place: "holm_p_value" and "verdict" of each score.

    The p values of one score are corrected over the comparisons (Holm), those with a single seed left out, since they
    get no verdict. Runs whose predictions are the same in every seed are one network under two names: how often the two
    methods would differ, they do not say, so that they are undecided.

    Example:
      >>> overall = {"difference": 0.01, "p_value": 0.03, "equivalence_interval": [0.0, 0.02]}
      >>> of = {"seeds": [0, 1], "equal_seeds": [], "accuracy": {"overall": overall | {"verdict": "gain"}}}
      >>> other = of | {"accuracy": {"overall": overall | {"verdict": "gain"}}}
      >>> judge_all({"dst": {"joint": of}, "mgda": {"joint": other}}, level=0.95, margin=0.003)
      >>> of["accuracy"]["overall"]["holm_p_value"], of["accuracy"]["overall"]["verdict"]  # 0.03 twice is none
      (0.06, 'undecided')
    """
    for score in _with_overall(comparisons):
        found = [(of, of[score]["overall"]) for of in each(comparisons)]
        p_values = [None if overall["verdict"] == ONE_SEED else overall["p_value"] for _, overall in found]
        for (comparison, overall), p_value in zip(found, holm(p_values), strict=True):
            overall["holm_p_value"] = p_value
            if overall["verdict"] != ONE_SEED:
                is_same = comparison["equal_seeds"] == comparison["seeds"]
                overall["verdict"] = UNDECIDED if is_same else judge(overall, p_value, level, margin)


def _with_overall(comparisons: Comparisons) -> list[str]:
    """The scores of which there is a mean over tasks."""
    first = next(each(comparisons), {})
    return [name for name, of in first.items() if isinstance(of, dict) and "overall" in of]


def each(comparisons: Comparisons) -> Iterator[dict[str, Any]]:
    """All comparisons of a study.

    >>> list(each({"dst": {"joint": {"seeds": [0]}}, "joint": {}}))
    [{'seeds': [0]}]
    """
    return (comparison for references in comparisons.values() for comparison in references.values())
