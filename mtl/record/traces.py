"""What the runs' logs tell of a study beside their predictions: tasks dropped, weights given, gradients looked at."""

from pathlib import Path
from typing import Any

import numpy as np

from mtl.record.files import Line
from mtl.record.reading import read_config, read_dst, read_metrics, read_results
from mtl.record.runs import Folders

CONTROLS = ("random_drop", "permuted_drop", "static_drop", "uniform_drop")  # methods that repeat another run's rates


def read_drop_rates(folders: Folders) -> dict[str, Any]:
    """Drop rates 1 - P and gates of every run that drops tasks: method -> seed -> a list over epochs."""
    dropping = {method: runs for method, runs in folders.items() if all(read_dst(run) for run in runs.values())}
    return {
        method: {
            str(seed): [
                {"epoch": line["epoch"], "drop_rate": {t: 1.0 - p for t, p in line["P"].items()}, "G": line["G"]}
                for line in read_dst(run)
            ]
            for seed, run in runs.items()
        }
        for method, runs in dropping.items()
    }


def summarize_dropping(runs: dict[str, list[Line]]) -> dict[str, Any]:
    """How much was dropped, per task and overall, over all epochs and seeds.

    Returns:
      {"overall": D, "tasks": {task: D}} with D = {"drop_rate": mean of 1 - P, "gates_shut": mean of 1 - G,
      "num_shut": sum of 1 - G, "num_gates": how many G there are}. What was intended, 1 - P, and what was drawn differ
      by chance. Gates that are drawn per step count as the share of the epoch's steps in which they were shut.

    Example:
      >>> line = {"epoch": 1, "drop_rate": {"Male": 0.25, "Young": 0.0}, "G": {"Male": 0.0, "Young": 1.0}}
      >>> summarize_dropping({"0": [line]})["overall"]
      {'drop_rate': 0.125, 'gates_shut': 0.5, 'num_shut': 1.0, 'num_gates': 2}
    """
    lines = [line for epochs in runs.values() for line in epochs]
    tasks = {task: _dropped(lines, [task]) for task in lines[0]["G"]}
    return {"overall": _dropped(lines, list(tasks)), "tasks": tasks}


def _dropped(lines: list[Line], tasks: list[str]) -> dict[str, float]:
    shut = [1.0 - line["G"][task] for line in lines for task in tasks]
    return {
        "drop_rate": float(np.mean([line["drop_rate"][task] for line in lines for task in tasks])),
        "gates_shut": float(np.mean(shut)),
        "num_shut": float(sum(shut)),
        "num_gates": len(shut),
    }


def read_controls(folders: Folders) -> dict[str, str]:
    """The runs that repeat another one's dropping, as its control: name -> what it repeats."""
    found: dict[str, str] = {}
    for name, runs in folders.items():
        config = read_config(next(iter(runs.values())))["config"]
        if config["method"] in CONTROLS:
            found[name] = config.get("dst", {}).get("repeats", "dst")  # what older runs of random_drop repeated
    return found


def read_compute(folders: Folders) -> dict[str, dict[str, float]]:
    """What a run of each method cost, on average: task-gradients, and seconds.

    A task-gradient is one open task in one training step: K per step in joint training, fewer where gates are shut.
    """
    return {name: _mean_of([_cost(run) for run in runs.values()]) for name, runs in folders.items()}


def _cost(run: Path) -> dict[str, float]:
    _, epochs = read_metrics(run)
    ends = [0, *(line["step"] for line in epochs)]
    gradients = (
        (end - start) * sum(line["gates"].values()) for line, start, end in zip(epochs, ends, ends[1:], strict=False)
    )
    return {"task_gradients": float(sum(gradients)), "seconds": read_results(run)["train_seconds"]}


def _mean_of(costs: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([cost[key] for cost in costs])) for key in costs[0]}


def largest_weight_deviations(folders: Folders) -> dict[str, float]:
    """How far a method's weights ever were from equal ones: max |K w_t / sum_s w_s - 1| over tasks and logged steps.

    Near 0 the method did nothing in this study that joint training, with another scale of its gradient, does not do.
    Left out are runs of methods whose weights do not say all, runs that drop tasks, and those without logged weights.
    """
    deviations: dict[str, float] = {}
    for name, runs in folders.items():
        if not _described(runs, "weights_say_all") or any(read_dst(run) for run in runs.values()):
            continue
        steps = [line for run in runs.values() for line in read_metrics(run)[0] if "weights" in line]
        weights_SK = np.array([list(line["weights"].values()) for line in steps])
        if len(steps):
            equal_S1 = weights_SK.mean(axis=1, keepdims=True)
            deviations[name] = float(np.abs(weights_SK / equal_S1 - 1.0).max())
    return deviations


def gradient_levels(folders: Folders) -> dict[str, str]:
    """Where the methods that look at gradients looked: "features" or "parameters", of the trunk."""
    levels: dict[str, str] = {}
    for name, runs in folders.items():
        if _described(runs, "looks_at_gradients"):
            _, epochs = read_metrics(next(iter(runs.values())))
            levels[name] = "parameters" if "parameters" in epochs[-1].get("gradients", {}) else "features"
    return levels


def _described(runs: dict[int, Path], field: str) -> bool:
    """What config.json says of a run's method; no, where the run is from before it said so."""
    return read_config(next(iter(runs.values()))).get(field, False)
