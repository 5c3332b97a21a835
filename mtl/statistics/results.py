"""results.json of a study, from what its finished runs wrote."""

from pathlib import Path
from typing import Any

import numpy as np

from mtl.record.files import write_json
from mtl.record.paths import CONFIG, PREDICTIONS, RESULTS
from mtl.record.reading import read_of_study, read_results
from mtl.record.runs import Folders, find_runs, read_provenance
from mtl.record.traces import (
    gradient_levels,
    largest_weight_deviations,
    read_compute,
    read_controls,
    read_drop_rates,
    summarize_dropping,
)
from mtl.statistics.comparison import Rules
from mtl.statistics.half import in_half_precision
from mtl.statistics.predictions import Runs, read_predictions
from mtl.statistics.summary import describe, summarize
from mtl.statistics.verdicts import MARGIN


def write_results(workdir: Path, with_comparisons: bool) -> dict[str, Any]:
    """Writes results.json from all finished runs of a study, and returns what it holds.

    Args:
      workdir: of the study.
      with_comparisons: adds the differences between methods with their intervals, which takes SciPy.

    Raises:
      UserError: if there is no finished run, or the runs cannot be compared.
    """
    folders = find_runs(workdir)
    predictions = {
        method: {seed: in_half_precision(read_predictions(folder / PREDICTIONS)) for seed, folder in of_method.items()}
        for method, of_method in folders.items()
    }
    results = make_results(workdir, folders, predictions, with_comparisons)
    write_json(workdir / RESULTS, results)
    return results


def make_results(workdir: Path, folders: Folders, predictions: Runs, with_comparisons: bool) -> dict[str, Any]:
    """What results.json holds.

    Args:
      folders: of the finished runs.
      predictions: theirs, in half precision: what others can have, see `mtl.statistics.half`.
      with_comparisons: as of `write_results`.
    """
    rates, controls = read_drop_rates(folders), read_controls(folders)
    each = [read_results(folder)["split_sizes"] for of in folders.values() for folder in of.values()]
    named = read_of_study(workdir, CONFIG)["config"]["study"]
    scores = (
        summarize(predictions, _baselines(named, folders), _rules(named, each), controls)
        if with_comparisons
        else describe(predictions)
    )
    return scores | {
        "split_sizes": each[0],
        "provenance": read_provenance(folders),
        "compute": read_compute(folders),
        "controls": controls,
        "drop_rates": rates,
        "dropping": {method: summarize_dropping(runs) for method, runs in rates.items()},
        "largest_weight_deviations": largest_weight_deviations(folders),
        "gradient_levels": gradient_levels(folders),
    }


def _baselines(named: dict[str, Any], folders: Folders) -> dict[str, str]:
    """`study.references`, as far as both runs are there; a study from before that field names none."""
    references = named.get("references", {})
    return {name: baseline for name, baseline in references.items() if name in folders and baseline in folders}


def _rules(named: dict[str, Any], sizes: list[dict[str, int]]) -> Rules:
    """Those that the configuration fixes; a study from before a field has its default."""
    entries = ",".join(named.get("comparisons", ())).split(",")  # as typed on a command line, one may name several
    pairs = tuple(parse_comparison(entry) for entry in entries if entry.strip())
    overlap = float(np.mean([of["test"] / of["train"] for of in sizes])) if named.get("folds") else 0.0
    return Rules(margin=named.get("margin", 100 * MARGIN) / 100, pairs=pairs, overlap=overlap)


def parse_comparison(entry: str) -> tuple[str, str]:
    """A method and what it is compared with.

    >>> parse_comparison("dst:permuted_drop")
    ('dst', 'permuted_drop')
    """
    method, _, reference = entry.partition(":")
    return method.strip(), reference.strip()
