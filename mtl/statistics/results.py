"""results.json of a study, from what its finished runs wrote."""

from pathlib import Path
from typing import Any

from mtl.record.files import write_json
from mtl.record.paths import CONFIG, PREDICTIONS, RESULTS
from mtl.record.reading import read_of_study, read_results
from mtl.record.runs import Folders, find_runs, read_provenance
from mtl.record.traces import gradient_levels, largest_weight_deviations, read_drop_rates, summarize_dropping
from mtl.statistics.predictions import read_predictions
from mtl.statistics.summary import describe, summarize


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
        method: {seed: read_predictions(folder / PREDICTIONS) for seed, folder in of_method.items()}
        for method, of_method in folders.items()
    }
    rates = read_drop_rates(folders)
    first = read_results(next(iter(next(iter(folders.values())).values())))
    scores = summarize(predictions, _baselines(workdir, folders)) if with_comparisons else describe(predictions)
    results = scores | {
        "split_sizes": first["split_sizes"],
        "provenance": read_provenance(folders),
        "drop_rates": rates,
        "dropping": {method: summarize_dropping(runs) for method, runs in rates.items()},
        "largest_weight_deviations": largest_weight_deviations(folders),
        "gradient_levels": gradient_levels(folders),
    }
    write_json(workdir / RESULTS, results)
    return results


def _baselines(workdir: Path, folders: Folders) -> dict[str, str]:
    """`study.references`, as far as both runs are there; a study from before that field names none."""
    named = read_of_study(workdir, CONFIG)["config"]["study"].get("references", {})
    return {name: baseline for name, baseline in named.items() if name in folders and baseline in folders}
