"""The job: everything again, and where it is not what the study says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl import metrics
from mtl.record.files import as_json
from mtl.record.paths import CONFIG, DST, RESULTS, TABLES
from mtl.record.reading import read_config, read_dst, read_metrics, read_of_study, read_results
from mtl.record.runs import find_runs
from mtl.statistics.predictions import Predictions
from mtl.statistics.results import make_results
from mtl.statistics.tables import tables
from mtl.verify.drops import account_again
from mtl.verify.labels import Tables, label, other_data, read_labels

ROUNDING = 1e-9  # relative: another order of summation
HALF = 2e-3  # of a run's own average precision, which was computed before its logits were rounded
MAX_NAMED = 20  # disagreements that are named


class Verdict(NamedTuple):
    """What was found: in how many places the study was recomputed, and where it says something else."""

    num_compared: int
    wrong: list[str]


def verify(workdir: Path, root: str) -> Verdict:
    """Recomputes a study from its published logits, its logs and the label files under `root`.

      results.json of the study    every figure, from logits and labels, and from the logs what these say
      tables.md                    from results.json
      results.json of each run     its scores on the test split; those on validation from the log of its best epoch
      dst.jsonl of each run        I, P and the gates, from V
      config.json of each run      digests of images, split and labels

    Not recomputed, since only training could: the logs of losses and of validation, seconds, thresholds and
    temperatures, and what else config.json says.

    Args:
      workdir: of the study.
      root: the folder of the label files; "" for the one where the study had them.

    Raises:
      UserError: if there is no finished run, or logits or labels are missing.
    """
    folders, known = find_runs(workdir), Tables()
    predictions: dict[str, dict[int, Predictions]] = {name: {} for name in folders}
    found = list[tuple[bool, str]]()
    for name, of_method in folders.items():
        for seed, folder in of_method.items():
            described, place = read_config(folder), folder.relative_to(workdir)
            table = read_labels(described, root, known)
            found += [(False, f"{place}/{CONFIG}: {part} are others here") for part in other_data(described, table)]
            predictions[name][seed] = run = label(folder, table)
            of_run, (_, epochs) = read_results(folder), read_metrics(folder)
            found += compare(f"{place}/{RESULTS}/test", of_run["test"], _scores(run), HALF)
            found += compare(f"{place}/{RESULTS}/valid", of_run["valid"], epochs[of_run["best_epoch"] - 1]["valid"])
            again = account_again(workdir, name, folder, described["config"])
            found += compare(f"{place}/{DST}", read_dst(folder), again)
    held = read_of_study(workdir, RESULTS)
    made = as_json(make_results(workdir, folders, predictions, "comparisons" in held))
    found += compare(RESULTS, held, made)
    if (workdir / TABLES).is_file():
        agrees = (workdir / TABLES).read_text() == tables(made) + "\n"
        found.append((agrees, f"{TABLES}: the tables of the recomputed figures are others"))
    return Verdict(len(found), [where for agrees, where in found if not agrees])


def compare(place: str, held: Any, made: Any, of_precision: float = ROUNDING) -> Iterator[tuple[bool, str]]:
    """Every value of two trees, and whether they agree.

    Args:
      place: of the trees.
      held: what the study says.
      made: what follows.
      of_precision: how far average precisions may be apart.

    Example:
      >>> [where for agrees, where in compare("f", {"a": [1.0, 2.0]}, {"a": [1.0, 2.5]}) if not agrees]
      ['f/a/1: says 2.0, and 2.5 follows']
    """
    if isinstance(held, dict) and isinstance(made, dict):
        for key in dict.fromkeys((*held, *made)):
            yield from compare(f"{place}/{key}", held.get(key), made.get(key), of_precision)
    elif isinstance(held, list) and isinstance(made, list) and len(held) == len(made):
        for index, (of, other) in enumerate(zip(held, made, strict=True)):
            yield from compare(f"{place}/{index}", of, other, of_precision)
    else:
        tolerance = of_precision if place.endswith("average_precision") else ROUNDING
        are_numbers = isinstance(held, int | float) and isinstance(made, int | float)
        agrees = bool(np.isclose(held, made, rtol=ROUNDING, atol=tolerance)) if are_numbers else held == made
        yield agrees, f"{place}: says {held!r}, and {made!r} follows"


def _scores(run: Predictions) -> dict[str, Any]:
    return as_json(metrics.evaluate(run.tasks, run.logits_NK, run.labels_NK, run.mask_NK, run.majority_K, run.kinds))


def in_words(workdir: Path, verdict: Verdict) -> str:
    """What was found, in a sentence or a list.

    >>> print(in_words(Path("study"), Verdict(2, ["f/a/1: says 2.0, and 2.5 follows"])))
    study does not agree with what follows from its logits and logs, in 1 of 2 places:
      f/a/1: says 2.0, and 2.5 follows
    """
    if not verdict.wrong:
        said = f"{verdict.num_compared} values"
        return f"{workdir} agrees with what follows from its logits, its logs and these labels: {said}."
    named = "".join(f"\n  {where}" for where in verdict.wrong[:MAX_NAMED])
    more = f"\n  and {len(verdict.wrong) - MAX_NAMED} more" if len(verdict.wrong) > MAX_NAMED else ""
    places = f"{len(verdict.wrong)} of {verdict.num_compared} places"
    return f"{workdir} does not agree with what follows from its logits and logs, in {places}:{named}{more}"
