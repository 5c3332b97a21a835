"""How well the tasks' gradients agree, as the runs wrote it: a cosine and a share of conflicts per pair of tasks.

A run from before these were measured has neither; a network per task shares nothing that tasks could conflict about.
"""

from typing import Any

import numpy as np

from mtl.record.reading import StudyRecord

LEVELS = ("features", "parameters")  # where gradients are compared
Line = dict[str, Any]  # an epoch's line of metrics.jsonl


def measured_levels(study: StudyRecord) -> list[str]:
    """The levels at which some method's runs compared gradients."""
    return [level for level in LEVELS if measured_methods(study, level)]


def measured_run(study: StudyRecord, level: str) -> tuple[str, int]:
    """Method and seed of the run that is shown for a measured level: joint training's, or the first that there is."""
    methods = measured_methods(study, level)
    method = "joint" if "joint" in methods else methods[0]
    return method, next(iter(study.runs[method]))


def measured_methods(study: StudyRecord, level: str) -> list[str]:
    """The methods whose runs all compared some two tasks' gradients at this level, up to the last epoch."""
    return [
        method
        for method, runs in study.runs.items()
        if method != "single_task" and all(measured_pairs(run.epochs[-1], level) for run in runs.values())
    ]


def measured_pairs(line: Line, level: str) -> list[tuple[int, int]]:
    """The pairs of tasks, by number and each once, whose gradients were compared in that epoch.

    Example:
      >>> measured_pairs({"gradients": {"features": {"cosines": [[1.0, -0.5], [-0.5, 1.0]]}}}, "features")
      [(0, 1)]
    """
    cosines_KK = read(line, level, "cosines")
    return [(int(i), int(j)) for i, j in np.argwhere(~np.isnan(cosines_KK)) if i < j]


def read(line: Line, level: str, field: str) -> np.ndarray:
    """The "cosines" or "conflicts" of an epoch, [K, K]; NaN for a pair that was not measured, and on the diagonal.

    Example:
      >>> line = {"gradients": {"features": {"cosines": [[1.0, -0.5], [-0.5, 1.0]]}}}
      >>> read(line, "features", "cosines")
      array([[ nan, -0.5],
             [-0.5,  nan]])
    """
    rows = line.get("gradients", {}).get(level, {}).get(field, [])
    values_KK = np.array(rows, dtype=float).reshape(len(rows), len(rows))
    np.fill_diagonal(values_KK, np.nan)
    return values_KK
