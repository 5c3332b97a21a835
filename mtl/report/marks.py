"""What filled and hollow marks mean in figures of differences."""

from collections.abc import Iterable
from typing import Any

from mtl.record.reading import StudyRecord
from mtl.report.terms import main_score
from mtl.statistics import ONE_SEED


def is_told_apart(gain: dict[str, Any]) -> bool:
    """Whether the statistics call a difference a gain or a loss.

    Example:
      >>> is_told_apart({"verdict": "gain"}), is_told_apart({"verdict": "one seed"})
      (True, False)
    """
    return gain["verdict"] in ("gain", "loss")


def verdicts(comparisons: Iterable[dict[str, Any]], score: str = "accuracy") -> set[str]:
    """The verdicts of each method's comparisons with its references, in the mean of a score.

    Example:
      >>> verdicts([{"joint": {"accuracy": {"overall": {"verdict": "gain"}}}}])
      {'gain'}
    """
    return {of[score]["overall"]["verdict"] for references in comparisons for of in references.values()}


def marks_note(study: StudyRecord) -> str:
    """For a caption."""
    found = verdicts(study.results["comparisons"].values(), main_score(study))
    if found == {ONE_SEED}:
        return "All marks are hollow: one seed allows no verdict on a method."
    one_seed = ", or one seed, which allows no verdict on a method" if ONE_SEED in found else ""
    return (
        "Filled marks: a gain or a loss, after Holm's correction over the comparisons, per task over the tasks; hollow "
        f"marks: equal within the margin, or undecided{one_seed}."
    )
