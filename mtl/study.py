"""A study: methods x seeds -> runs -> one comparison.

One command trains what is missing. Every figure is recomputed from what the runs wrote, so a study that is run again
only prints; a seed or a method that is added to it trains just its own runs.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from mtl import checkpoint, provenance
from mtl.errors import UserError
from mtl.gating import DROPPING
from mtl.names import split_names
from mtl.run import METHODS, finished, run_folder
from mtl.train import fit

SCORES = ("accuracy", "balanced_accuracy")


def study(config: ConfigDict, workdir: Path) -> str:
    """Trains what is missing of methods x seeds, writes config.json and results.json, and returns the tables.

    Raises:
      UserError: for a mistake in the configuration or the data.
    """
    methods = order_methods(split_names(config.study.methods), list(config.study.variants))
    seeds = tuple(config.study.seeds)
    if not methods or not seeds:
        raise UserError(
            "study.methods and study.seeds must name at least one method and one seed, as in ('joint',) (0,)"
        )
    if not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise UserError(f"study.seeds is {seeds}; give whole numbers from 0 up, as in 0,1,2")
    for seed in seeds:
        for method in methods:
            of_this = of_run(config, method, seed)
            results = finished(of_this, workdir) or fit(of_this, workdir)[1]
            print(run_line(results), flush=True)
    runs = read_runs(workdir, methods, seeds)
    described = {"config": config.to_dict(), "versions": provenance.versions(), "command": provenance.command()}
    checkpoint.write_json(workdir / "config.json", described | {"revision": provenance.revision()})
    summary = summarize(runs)
    checkpoint.write_json(workdir / "results.json", summary | {"drop_rates": read_drop_rates(workdir, methods, seeds)})
    tables = [score_table(summary)]
    tables += [drop_table(workdir, method, seeds) for method in methods if method in DROPPING]
    return "\n\n".join([*tables, f"Everything is in {workdir}: results.json, and each run in <method>/seed_<seed>/."])


def order_methods(methods: tuple[str, ...], variants: Sequence[str] = ()) -> tuple[str, ...]:
    """The order in which methods are trained: as given, but the control after the DST run that it repeats."""
    known = (*METHODS, *variants)
    unknown = [method for method in methods if method not in known]
    if unknown:
        raise UserError(f"study.methods names {unknown[0]!r}; choose from {', '.join(known)}")
    return tuple(sorted(dict.fromkeys(methods), key=lambda method: method == "random_drop"))


def of_run(config: ConfigDict, name: str, seed: int) -> ConfigDict:
    """The configuration of one run of a study; `name` is that of a method, or of one of `study.variants`.

    Raises:
      UserError: if a variant names a field that there is not, or gives it a value of another type.
    """
    copy = config.copy_and_resolve_references()
    copy.seed = seed
    if name not in config.study.variants:
        copy.method = name
        return copy
    copy.variant = name
    try:
        copy.update(config.study.variants[name].to_dict())
    except (KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"study.variants.{name} does not fit the configuration: {reason}") from error
    return copy


def run_line(results: dict[str, Any]) -> str:
    """One run in one line."""
    test = results["test"]
    return (
        f"{results['method']}, seed {results['seed']}: test accuracy {test['overall_accuracy']:.2%}, "
        f"balanced {test['balanced_accuracy']:.2%}, epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['train_seconds']:.0f} s, {results['images_per_second']:.0f} images/s in training steps"
    )


def read_runs(workdir: Path, methods: Sequence[str], seeds: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """What each run's results.json holds: method -> one per seed."""
    return {
        method: [json.loads((run_folder(workdir, method, seed) / "results.json").read_text()) for seed in seeds]
        for method in methods
    }


def summarize(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Mean and sample standard deviation over seeds of the test scores, per task and overall, for each method."""
    first = next(iter(runs.values()))[0]
    methods: dict[str, Any] = {}
    for method, results in runs.items():
        tests = [result["test"] for result in results]
        methods[method] = {
            "overall": {
                "accuracy": _spread([test["overall_accuracy"] for test in tests]),
                "balanced_accuracy": _spread([test["balanced_accuracy"] for test in tests]),
            },
            "tasks": {
                task: {score: _spread([test["tasks"][task][score] for test in tests]) for score in SCORES}
                for task in first["tasks"]
            },
        }
    majority = {task: scores["majority_accuracy"] for task, scores in first["test"]["tasks"].items()}
    return {
        "tasks": first["tasks"],
        "seeds": [result["seed"] for result in next(iter(runs.values()))],
        "split_sizes": first["split_sizes"],
        "device": first["device"],
        "majority_accuracy": {"overall": float(np.mean(list(majority.values()))), "tasks": majority},
        "methods": methods,
    }


def score_table(summary: dict[str, Any]) -> str:
    """The comparison in Markdown: per task and overall, accuracy and balanced accuracy in per cent."""
    methods = summary["methods"]
    header = ["task", "majority", *(f"{method} {kind}" for method in methods for kind in ("accuracy", "balanced"))]
    rows = []
    for task in [*summary["tasks"], "overall"]:
        at = [method["overall"] if task == "overall" else method["tasks"][task] for method in methods.values()]
        majority = summary["majority_accuracy"]
        guess = majority["overall"] if task == "overall" else majority["tasks"][task]
        rows.append([task, _percent(guess), *(_cell(scores[score]) for scores in at for score in SCORES)])
    num_seeds = len(summary["seeds"])
    note = f"Test split, per cent; {num_seeds} seed{'s: mean ± standard deviation' if num_seeds > 1 else ''}."
    return markdown([header, *rows]) + f"\n{note}"


def read_drop_rates(workdir: Path, methods: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Drop rates 1 - P and gates of every run that drops tasks: method -> seed -> a list over epochs."""
    return {
        method: {
            str(seed): [
                {"epoch": line["epoch"], "drop_rate": {t: 1.0 - p for t, p in line["P"].items()}, "G": line["G"]}
                for line in _dst_lines(workdir, method, seed)
            ]
            for seed in seeds
        }
        for method in methods
        if method in DROPPING
    }


def drop_table(workdir: Path, method: str, seeds: Sequence[int]) -> str:
    """Drop rates per epoch in Markdown, mean over seeds in per cent, with how often the task was then dropped."""
    runs = [_dst_lines(workdir, method, seed) for seed in seeds]
    tasks = list(runs[0][0]["P"])
    rows = [["epoch", *tasks]]
    for lines in zip(*runs, strict=True):
        cells = []
        for task in tasks:
            rate = np.mean([1.0 - line["P"][task] for line in lines])
            num_dropped = sum(not line["G"][task] for line in lines)
            cells.append(_percent(float(rate)) + (f" x{num_dropped}" if num_dropped else ""))
        rows.append([str(lines[0]["epoch"]), *cells])
    note = (
        f"{method}: drop rate 1 - P in per cent, mean over seeds; xN: dropped in that epoch in N of {len(seeds)} runs."
    )
    return markdown(rows) + f"\n{note}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is aligned for the terminal too; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _dst_lines(workdir: Path, method: str, seed: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_folder(workdir, method, seed) / "dst.jsonl").read_text().splitlines()]


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "standard_deviation": float(np.std(known, ddof=1)) if len(known) > 1 else None,
    }


def _cell(spread: dict[str, float | None]) -> str:
    if spread["mean"] is None:
        return "-"
    deviation = spread["standard_deviation"]
    return _percent(spread["mean"]) + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
