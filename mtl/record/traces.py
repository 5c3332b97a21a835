"""What the runs' logs tell of a study beside their predictions: tasks dropped, weights given, gradients looked at."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

Folders = dict[str, dict[int, Path]]  # method -> seed -> folder of a finished run
Line = dict[str, Any]


def read_drop_rates(folders: Folders) -> dict[str, Any]:
    """Drop rates 1 - P and gates of every run that drops tasks: method -> seed -> a list over epochs."""
    dropping = {method: runs for method, runs in folders.items() if all(_dst_lines(run) for run in runs.values())}
    return {
        method: {
            str(seed): [
                {"epoch": line["epoch"], "drop_rate": {t: 1.0 - p for t, p in line["P"].items()}, "G": line["G"]}
                for line in _dst_lines(run)
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


def largest_weight_deviations(folders: Folders, methods: Collection[str]) -> dict[str, float]:
    """How far a method's weights ever were from equal ones: max |K w_t / sum_s w_s - 1| over tasks and logged steps.

    Near 0 the method did nothing in this study that joint training, with another scale of its gradient, does not do.

    Args:
      folders: the study's runs.
      methods: those whose weights say all; runs of others, of runs that drop tasks, and without logged weights are left
        out.
    """
    deviations: dict[str, float] = {}
    for name, runs in folders.items():
        if _of_method(runs) not in methods or any(_dst_lines(run) for run in runs.values()):
            continue
        steps = [line for run in runs.values() for line in _lines(run, "step") if "weights" in line]
        weights_SK = np.array([list(line["weights"].values()) for line in steps])
        if len(steps):
            equal_S1 = weights_SK.mean(axis=1, keepdims=True)
            deviations[name] = float(np.abs(weights_SK / equal_S1 - 1.0).max())
    return deviations


def gradient_levels(folders: Folders, methods: Collection[str]) -> dict[str, str]:
    """Where the methods that look at gradients looked: "features" or "parameters", of the trunk."""
    levels: dict[str, str] = {}
    for name, runs in folders.items():
        if _of_method(runs) in methods:
            measured = _lines(next(iter(runs.values())), "epoch")[-1].get("gradients", {})
            levels[name] = "parameters" if "parameters" in measured else "features"
    return levels


def _of_method(runs: dict[int, Path]) -> str:
    return json.loads((next(iter(runs.values())) / "config.json").read_text())["config"]["method"]


def _lines(folder: Path, kind: str) -> list[Line]:
    return [line for line in _read(folder / "metrics.jsonl") if line["kind"] == kind]


def _dst_lines(folder: Path) -> list[Line]:
    path = folder / "dst.jsonl"
    return _read(path) if path.is_file() else []


def _read(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]
