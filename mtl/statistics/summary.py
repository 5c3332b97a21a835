"""What a study's results.json says of its methods, from the predictions of their runs."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from mtl import metrics
from mtl.kinds import columns
from mtl.metrics import classes
from mtl.metrics.scores import IN_UNITS, names_of
from mtl.statistics.calibration import calibrate
from mtl.statistics.comparison import Rules, compare_all
from mtl.statistics.predictions import Predictions, Runs, kinds_of, only
from mtl.statistics.splits import find_splits

NUM_SCATTERED = 300  # test images that the figure of a regression shows


def summarize(
    runs: Runs,
    baselines: Mapping[str, str] = {},
    rules: Rules = Rules(),  # noqa: B008
    controls: Mapping[str, str] = {},
) -> dict[str, Any]:
    """All statistics of a study: what `describe` and `compare_all` say.

    Args:
      runs: method -> seed -> predictions, all of the same test images or of folds.
      baselines: method -> what it is compared with instead of `comparison.REFERENCES`.
      rules: of the comparisons.
      controls: name -> the method whose dropping it repeats.

    Raises:
      UserError: if two runs were tested on different images, labels or tasks, or SciPy is missing.

    Example:
      >>> ids, who = np.array(["1.jpg", "2.jpg"]), np.array([4, 5])
      >>> logits, yes = np.ones((2, 1)), np.ones((2, 1), bool)
      >>> run = Predictions(logits, yes, yes, who, np.array([True]), ("smile",), ids)
      >>> summary = summarize({"joint": {0: run}, "dst": {0: run}}, rules=Rules(num_resamples=50))
      >>> summary["equal_predictions"], summary["comparisons"]["dst"]["joint"]["accuracy"]["overall"]["verdict"]
      ([[('joint', 0), ('dst', 0)]], 'one seed')
    """
    comparisons = compare_all(runs, baselines, rules, controls)
    named = {"references": dict(baselines), "pairs": [list(pair) for pair in rules.pairs], "margin": rules.margin}
    return describe(runs) | named | {"comparisons": comparisons}


def describe(runs: Runs) -> dict[str, Any]:
    """Scores, confusion and calibration of each method, which need no SciPy.

    Returns:
      What results.json holds under tasks, seeds, num_folds (None where all runs have the same test split),
      num_test_identities (None where no identity is known), majority_accuracy, methods, confusion, calibration and
      equal_predictions; what is undefined is None. Where tasks are not binary, also kinds, score (the name of the one
      that all tasks have, see `mtl.metrics`) and scatter; then
      "majority_accuracy" is that score of what the training split suggests, 0 for a regression, whose guess is the
      median.

    Raises:
      UserError: if two runs were tested on different images, labels or tasks.

    Example:
      >>> ids, who = np.array(["1.jpg"]), np.array([4])
      >>> logits, yes = np.ones((1, 1)), np.ones((1, 1), bool)
      >>> run = Predictions(logits, yes, yes, who, np.array([True]), ("smile",), ids)
      >>> describe({"joint": {0: run}})["methods"]["joint"]["overall"]["accuracy"]
      {'mean': 1.0, 'standard_deviation': None}
    """
    splits = find_splits(runs)
    firsts = [next(iter(split.values())) for split in splits]
    first, guesses = firsts[0], [metrics.evaluate(*_scored(of_split))["tasks"] for of_split in firsts]
    majority = {
        task: _mean([of[task].get("majority_accuracy", 0.0 if of[task]["count"] else None) for of in guesses])
        for task in first.tasks
    }
    identity_N = np.concatenate([of_split.identity_N for of_split in firsts])
    known = identity_N[identity_N >= 0]
    return {
        "tasks": list(first.tasks),
        "seeds": {method: sorted(of_method) for method, of_method in runs.items()},
        "num_folds": len(splits) if len(splits) > 1 else None,
        "num_test_identities": len(np.unique(known)) or None,
        "majority_accuracy": {"overall": _mean(list(majority.values())), "tasks": majority},
        "methods": {method: _scores(list(of_method.values())) for method, of_method in runs.items()},
        "confusion": {method: _confusion(list(of_method.values())) for method, of_method in runs.items()},
        "calibration": {method: calibrate(list(of_method.values())) for method, of_method in runs.items()},
        "equal_predictions": equal_predictions(runs),
        **(_of_kinds(first, runs) if first.kinds else {}),
    }


def _of_kinds(first: Predictions, runs: Runs) -> dict[str, Any]:
    return {
        "kinds": [kind._asdict() for kind in first.kinds],
        "score": metrics.main_score(first.kinds),
        "scatter": {method: _scatter(of_method[min(of_method)]) for method, of_method in runs.items()},
    }


def _scatter(run: Predictions) -> dict[str, dict[str, list[float]]]:
    """Regression -> label and what was said of a few test images, the same for all runs, in the table's unit."""
    found = {}
    for k, (kind, of) in enumerate(zip(run.kinds, columns(run.kinds), strict=True)):
        if kind.name == "regression":
            known = np.flatnonzero(run.mask_NK[:, k])
            rows = known[:: max(len(known) // NUM_SCATTERED, 1)][:NUM_SCATTERED]
            pair = {"label": run.labels_NK[rows, k], "said": run.logits_NK[rows, of][:, 0]}
            found[run.tasks[k]] = {name: (kind.mean + kind.std * values).tolist() for name, values in pair.items()}
    return found


def equal_predictions(runs: Runs) -> list[list[tuple[str, int]]]:
    """Groups of runs, as (method, seed), whose logits are the same to the last bit: one network under several names.

    Example:
      >>> ids, who = np.array(["1.jpg"]), np.array([4])
      >>> logits, yes = np.ones((1, 1)), np.ones((1, 1), bool)
      >>> run = Predictions(logits, yes, yes, who, np.array([True]), ("smile",), ids)
      >>> equal_predictions({"joint": {0: run}, "dst": {0: run}})
      [[('joint', 0), ('dst', 0)]]
    """
    groups: dict[bytes, list[tuple[str, int]]] = {}
    for method, of_method in runs.items():
        for seed, run in of_method.items():
            groups.setdefault(run.logits_NK.tobytes(), []).append((method, seed))
    return [group for group in groups.values() if len(group) > 1]


def _scores(runs: Sequence[Predictions]) -> dict[str, Any]:
    """Mean and sample standard deviation over seeds of every score, per task and as the mean over tasks."""
    per_run = [metrics.evaluate(*_scored(run))["tasks"] for run in runs]
    names = {name: [runs[0].tasks[k] for k in tasks] for name, tasks in names_of(kinds_of(runs[0])).items()}
    return {
        "overall": {
            score: _spread([_mean([of_run[task][score] for task in tasks]) for of_run in per_run])
            for score, tasks in names.items()
            if score not in IN_UNITS
        },
        "tasks": {
            task: {
                score: _spread([of_run[task][score] for of_run in per_run])
                for score, tasks in names.items()
                if task in tasks
            }
            for task in runs[0].tasks
        },
    }


def _confusion(runs: Sequence[Predictions]) -> dict[str, dict[str, Any]]:
    """Task -> images by predicted and true class, summed over seeds; of several classes a row for each true one."""
    of_binary = _confusion_of_binary([only(run, "binary") for run in runs])
    of_classes = {}
    for k, (kind, of) in enumerate(zip(runs[0].kinds, columns(runs[0].kinds), strict=True)):
        if kind.name == "classes":
            known = [(run, run.mask_NK[:, k]) for run in runs]
            counts = [classes.confusion(run.logits_NK[of_N, of], run.labels_NK[of_N, k]) for run, of_N in known]
            of_classes[runs[0].tasks[k]] = {"counts": np.sum(counts, axis=0).tolist()}
    return of_binary | of_classes


def _confusion_of_binary(runs: Sequence[Predictions]) -> dict[str, dict[str, int]]:
    counts = reduce(metrics.merge, (metrics.count(run.logits_NK, run.labels_NK, run.mask_NK) for run in runs))
    names = [field.removesuffix("_K") for field in counts._fields]
    return {
        task: dict(zip(names, of_task, strict=True))
        for task, of_task in zip(runs[0].tasks, np.stack(counts, axis=1).tolist(), strict=True)
    }


def _scored(run: Predictions) -> tuple[Any, ...]:
    """What `metrics.evaluate` takes."""
    return run.tasks, run.logits_NK, run.labels_NK, run.mask_NK, run.majority_K, run.kinds


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {"mean": _mean(known), "standard_deviation": float(np.std(known, ddof=1)) if len(known) > 1 else None}
