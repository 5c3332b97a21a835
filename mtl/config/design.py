"""The design of a study: folds, comparisons that are declared before it runs, controls and what they repeat."""

from collections.abc import Callable, Sequence

from ml_collections import ConfigDict

from mtl.errors import UserError
from mtl.record.traces import CONTROLS
from mtl.statistics.results import parse_comparison
from mtl.training.settings import RunSettings, needed_run

MIN_FOLDS = 3  # with two, one half of the images would be tested and a quarter trained on


def check(config: ConfigDict, check_known: Callable[[str, str], None]) -> None:
    """Refuses what is no design.

    Args:
      config: of the study.
      check_known: of a field and a name in it; refuses a name that is neither a method's nor a variant's.

    Raises:
      UserError: for fewer folds than there can be, and references and comparisons of names that there
        are not, or of a name with itself.
    """
    given = config.study
    for name, baseline in given.references.items():
        for each in (name, baseline):
            check_known("study.references", each)
        if name == baseline:
            raise UserError(f"study.references compares {name} with itself; name another run")
    if given.folds != 0 and given.folds < MIN_FOLDS:
        raise UserError(f"study.folds is {given.folds}; give at least {MIN_FOLDS}, or 0 for the split of the files")
    for entry in [name for entries in given.comparisons for name in entries.split(",") if name.strip()]:
        method, reference = parse_comparison(entry)
        if not reference or method == reference:
            raise UserError(f"study.comparisons has {entry!r}; write METHOD:REFERENCE, as in dst:joint")
        for each in (method, reference):
            check_known("study.comparisons", each)


def run_numbers(seeds: Sequence[int], num_folds: int) -> list[int]:
    """The numbers of a study's runs: its seeds, or with folds for each seed as many as there are folds.

    Example:
      >>> run_numbers((0, 1), 0), run_numbers((0, 1), 3)
      ([0, 1], [0, 1, 2, 3, 4, 5])
    """
    return [*seeds] if num_folds == 0 else [seed * num_folds + fold for seed in seeds for fold in range(num_folds)]


def fold(number: int, num_folds: int) -> str:
    """Which fold the run of that number is tested on, as `data.fold` says it.

    >>> fold(7, 5)
    '2/5'
    """
    return f"{number % num_folds}/{num_folds}"


def check_controls(runs: Sequence[RunSettings]) -> None:
    """Refuses a control that repeats itself, another control, or a run that drops nothing.

    Raises:
      UserError: for such a control.
    """
    schemes = {run.name: run.dropping.scheme for run in runs}
    for run in runs:
        needed = needed_run(run)
        if needed is not None and schemes.get(needed[0], "dst") in (None, *CONTROLS):
            raise UserError(
                f"{run.name} repeats {needed[0]}, which is no run of DST: set dst.repeats to the name of one",
                "dst.repeats",
            )
