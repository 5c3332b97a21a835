"""What results.json holds, as Markdown tables that are aligned for the terminal too."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl.statistics import REFERENCES

MAX_COLUMNS = 12  # of methods side by side


def tables(results: dict[str, Any]) -> str:
    """All tables of a study: scores, gains where they were computed, drop rates; and how its runs were made."""
    parts = [score_table(results, score) for score in ("accuracy", "balanced_accuracy")]
    if "comparisons" in results:
        compared = {reference for of_method in results["comparisons"].values() for reference in of_method}
        parts += [gain_table(results, reference) for reference in REFERENCES if reference in compared]
    parts += [drop_table(runs, method) for method, runs in results["drop_rates"].items()]
    return "\n\n".join([*parts, provenance(results["provenance"])])


def provenance(made_by: dict[str, list[str]]) -> str:
    """How the runs were made, in a paragraph."""
    commands = "; ".join(f"`{command}`" for command in made_by["commands"])
    revisions, devices, versions = (", ".join(made_by[name]) for name in ("revisions", "devices", "versions"))
    return f"Runs of {commands}; source revision {revisions}; {devices}; {versions}."


def score_table(results: dict[str, Any], score: str) -> str:
    """One score of all methods in Markdown, in per cent.

    A row per task and one for their mean; with many methods, and more than tasks, a row per method.
    """
    methods = results["methods"]
    method_rows = len(methods) > max(MAX_COLUMNS, len(results["tasks"]))
    places = ["overall", *results["tasks"]] if method_rows else [*results["tasks"], "overall"]
    lines = [["method" if method_rows else "task", *places]]
    if score == "accuracy":
        lines.append(["majority", *(_percent(_at(results["majority_accuracy"], place)) for place in places)])
    lines += [[name, *(_cell(_at(of_method, place)[score]) for place in places)] for name, of_method in methods.items()]
    rows = lines if method_rows else list(zip(*lines, strict=True))
    num_seeds = sorted({len(seeds) for seeds in results["seeds"].values()})
    seeds = f"{num_seeds[0]} seed{'s' if num_seeds[0] > 1 else ''}" if len(num_seeds) == 1 else _name_seeds(results)
    spread = "; mean ± standard deviation over seeds" if num_seeds[-1] > 1 else ""
    return markdown(rows) + f"\n\n{score.replace('_', ' ').capitalize()}, test split, per cent; {seeds}{spread}."


def _at(scores: dict[str, Any], place: str) -> Any:
    return scores["overall"] if place == "overall" else scores["tasks"][place]


def _name_seeds(results: dict[str, Any]) -> str:
    return "seeds: " + ", ".join(f"{method} {len(seeds)}" for method, seeds in results["seeds"].items())


def gain_table(results: dict[str, Any], reference: str) -> str:
    """How far each method is above or below another one in mean accuracy, and on how many tasks."""
    rows = [["method", "seeds", "gain, points", "95% interval", "p", "verdict", "tasks gained, lost", "Delta_m, %"]]
    for method, of_method in results["comparisons"].items():
        if reference not in of_method:
            continue
        comparison = of_method[reference]
        gain = comparison["accuracy"]["overall"]
        verdicts = [of_task["verdict"] for of_task in comparison["accuracy"]["tasks"].values()]
        low, high = (f"{100 * end:+.2f}" for end in gain["interval"])
        rows.append(
            [
                method,
                str(len(comparison["seeds"])),
                f"{100 * gain['difference']:+.2f}",
                f"{low} to {high}",
                f"{gain['p_value']:.3f}" if gain["p_value"] >= 0.001 else "< 0.001",
                gain["verdict"],
                f"{verdicts.count('gain')}, {verdicts.count('loss')}",
                f"{comparison['delta_m']['mean']:+.2f}",
            ]
        )
    note = (
        f"Mean test accuracy less that of {reference}. The interval covers other test images (people are resampled) "
        "and, with more than one seed, other seeds; tasks are counted after Holm's correction; Delta_m is the mean "
        "relative change of accuracy."
    )
    return markdown(rows) + f"\n\n{note}"


def drop_table(runs: dict[str, list[dict[str, Any]]], method: str) -> str:
    """Drop rates per epoch in Markdown, mean over seeds in per cent, with how often the task was then dropped."""
    tasks = list(next(iter(runs.values()))[0]["drop_rate"])
    rows = [["epoch", *tasks]]
    for lines in zip(*runs.values(), strict=True):
        cells = []
        for task in tasks:
            rate = float(np.mean([line["drop_rate"][task] for line in lines]))
            num_dropped = sum(line["G"][task] == 0 for line in lines)
            cells.append(_percent(rate) + (f" x{num_dropped}" if num_dropped else ""))
        rows.append([str(lines[0]["epoch"]), *cells])
    note = (
        f"{method}: drop rate 1 - P in per cent, mean over seeds; xN: dropped in that epoch in N of {len(runs)} runs."
    )
    return markdown(rows) + f"\n\n{note}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is aligned for the terminal too; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _cell(spread: dict[str, float | None]) -> str:
    deviation = spread["standard_deviation"]
    return _percent(spread["mean"]) + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
