"""What results.json holds, as Markdown tables that are aligned for the terminal too."""

from typing import Any

import numpy as np

from mtl import metrics
from mtl.statistics import ONE_SEED, REFERENCES
from mtl.statistics.markdown import markdown, percent
from mtl.statistics.score_table import main, score_table, tabulated

DELTA_M = "accuracy, and of a regression that of its mean absolute error with the other sign"
MAX_NAMED = 8  # methods that a remark names
NEARLY_EQUAL = 0.1  # weights that never were further from equal ones than this


def tables(results: dict[str, Any]) -> str:
    """All tables of a study: scores, gains where they were computed, drop rates; and how its runs were made."""
    parts = [score_table(results, score) for score in tabulated(results)]
    parts += [metrics.MEANING] if main(results) == metrics.SCORE else []
    parts += ["\n".join(f"- {remark}" for remark in remarks(results))] if remarks(results) else []
    if "comparisons" in results:
        compared = {reference: None for of_method in results["comparisons"].values() for reference in of_method}
        order = sorted(compared, key=lambda name: REFERENCES.index(name) if name in REFERENCES else len(REFERENCES))
        parts += [gain_table(results, reference) for reference in order]
    parts += [dropping_table(results["dropping"])] if results["dropping"] else []
    parts += [drop_table(runs, method) for method, runs in results["drop_rates"].items()]
    return "\n\n".join([*parts, provenance(results["provenance"])])


def remarks(results: dict[str, Any]) -> list[str]:
    """What a reader of the scores must know: runs that are one network, methods that did nothing, gradients seen.

    Example:
      >>> nothing = {"equal_predictions": [], "dropping": {}, "majority_accuracy": {"tasks": {}}, "gradient_levels": {}}
      >>> remarks(nothing | {"largest_weight_deviations": {"modo": 0.03, "upgrad": 0.8}})
      ['Weights never further from equal ones in a logged step than: modo 3.0%; nearly joint training.']
    """
    found = _below_majority(results)
    for group in results["equal_predictions"]:
        runs = " = ".join(f"{method} (seed {seed})" for method, seed in group)
        found.append(f"The same predictions to the last bit, so one network under several names: {runs}.")
    never = [method for method, dropped in results["dropping"].items() if dropped["overall"]["num_shut"] == 0]
    if never:
        found.append(f"No gate was ever shut, so that nothing was dropped: {', '.join(never)}.")
    inert = {m: far for m, far in results["largest_weight_deviations"].items() if far <= NEARLY_EQUAL}
    if inert:
        named = ", ".join(f"{method} {100 * far:.1f}%" for method, far in inert.items())
        found.append(f"Weights never further from equal ones in a logged step than: {named}; nearly joint training.")
    for level in ("features", "parameters"):
        methods = [method for method, where in results["gradient_levels"].items() if where == level]
        if methods:
            found.append(f"Saw the tasks' gradients at the trunk's {level}: {', '.join(methods)}.")
    return found


def _below_majority(results: dict[str, Any]) -> list[str]:
    below = []
    for task, guess in results["majority_accuracy"]["tasks"].items():
        accuracies = {m: scores["tasks"][task][main(results)]["mean"] for m, scores in results["methods"].items()}
        methods = [m for m, accuracy in accuracies.items() if None not in (accuracy, guess) and accuracy < guess]
        named = ", ".join(methods) if len(methods) <= MAX_NAMED else f"{len(methods)} of {len(accuracies)} methods"
        below += [f"{task} under {named}"] if methods else []
    return [f"Mean accuracy below that of the majority guess: {'; '.join(below)}."] if below else []


def provenance(made_by: dict[str, list[str]]) -> str:
    """How the runs were made, in a paragraph.

    Example:
      >>> made_by = {"commands": ["mtl --seed=1"], "revisions": ["f88f404"], "devices": ["cpu"]}
      >>> provenance(made_by | {"versions": ["torch 2.14.1"]})
      'Runs of `mtl --seed=1`; source revision f88f404; cpu; torch 2.14.1.'
    """
    commands = "; ".join(f"`{command}`" for command in made_by["commands"])
    revisions, devices, versions = (", ".join(made_by[name]) for name in ("revisions", "devices", "versions"))
    return f"Runs of {commands}; source revision {revisions}; {devices}; {versions}."


def gain_table(results: dict[str, Any], reference: str) -> str:
    """How far each method is above or below another one in mean accuracy, and on how many tasks.

    Example:
      >>> gain = {"difference": -0.0012, "interval": [-0.0048, 0.0024], "p_value": 0.461, "verdict": "no"}
      >>> accuracy, delta_m = {"overall": gain, "tasks": {"Male": gain}}, {"mean": -0.15}
      >>> comparison = {"seeds": [0, 1, 2], "accuracy": accuracy, "delta_m": delta_m}
      >>> table = gain_table({"comparisons": {"dst": {"joint": comparison}}}, "joint")
      >>> [cell.strip() for cell in table.splitlines()[2].split("|")[1:6]]
      ['dst', '3', '-0.12', '-0.48 to +0.24', '0.461']
    """
    rows = [["method", "seeds", "gain, points", "95% interval", "p", "verdict", "tasks gained, lost", "Delta_m, %"]]
    score = main(results)
    for method, of_method in results["comparisons"].items():
        if reference not in of_method:
            continue
        comparison = of_method[reference]
        gain = comparison[score]["overall"]
        verdicts = [of_task["verdict"] for of_task in comparison[score]["tasks"].values()]
        inference = [
            "-" if gain["interval"] is None else " to ".join(_points(end) for end in gain["interval"]),
            _p_value(gain["p_value"]),
            gain["verdict"],
            f"{verdicts.count('gain')}, {verdicts.count('loss')}",
        ]
        rows.append(
            [
                method,
                str(len(comparison["seeds"])),
                _points(gain["difference"]),
                *(["-", "-", ONE_SEED, "-"] if gain["verdict"] == ONE_SEED else inference),
                "-" if comparison["delta_m"]["mean"] is None else f"{comparison['delta_m']['mean']:+.2f}",
            ]
        )
    note = (
        f"Mean test {score} less that of {reference}. The interval covers other test images (people are resampled) "
        "and, with more than one seed, other seeds; tasks are counted after Holm's correction; Delta_m is the mean "
        f"relative change of {DELTA_M if score == metrics.SCORE else score}."
    )
    if any(row[5] == ONE_SEED for row in rows):
        note += f' "{ONE_SEED}": a difference of two networks; another seed may say otherwise, so there is no verdict.'
    if reference == "random_drop":
        note += " Its drop rates are the mean rates of dst: it is the control of dst and of no other method."
    return markdown(rows) + f"\n\n{note}"


def dropping_table(dropping: dict[str, Any]) -> str:
    """How much each method dropped: the mean drop rate, and the gates that were drawn.

    Example:
      >>> overall = {"drop_rate": 0.041, "num_shut": 8.0, "num_gates": 240, "gates_shut": 8 / 240}
      >>> print(dropping_table({"dst": {"overall": overall}}).partition("\\n\\n")[0])
      | method | mean drop rate, % | gates shut | of  | share, % |
      |--------|-------------------|------------|-----|----------|
      | dst    | 4.10              | 8          | 240 | 3.33     |
    """
    rows = [["method", "mean drop rate, %", "gates shut", "of", "share, %"]]
    for method, of_method in dropping.items():
        overall = of_method["overall"]
        num_shut, num_gates = f"{overall['num_shut']:.4g}", str(overall["num_gates"])
        rows.append([method, percent(overall["drop_rate"]), num_shut, num_gates, percent(overall["gates_shut"])])
    note = "Over tasks, epochs and seeds. The drop rate 1 - P is what was intended, the gates are what was drawn."
    return markdown(rows) + f"\n\n{note}"


def drop_table(runs: dict[str, list[dict[str, Any]]], method: str) -> str:
    """Drop rates per epoch in Markdown, mean over seeds in per cent, with how often the task was then dropped.

    Example:
      >>> runs = {"0": [{"epoch": 1, "drop_rate": {"Male": 0.25}, "G": {"Male": 0.0}}]}
      >>> print(drop_table(runs, "dst").partition("\\n\\n")[0])
      | epoch | Male     |
      |-------|----------|
      | 1     | 25.00 x1 |
    """
    tasks = list(next(iter(runs.values()))[0]["drop_rate"])
    rows = [["epoch", *tasks]]
    for lines in zip(*runs.values(), strict=True):
        cells = []
        for task in tasks:
            rate = float(np.mean([line["drop_rate"][task] for line in lines]))
            num_dropped = sum(line["G"][task] == 0 for line in lines)
            cells.append(percent(rate) + (f" x{num_dropped}" if num_dropped else ""))
        rows.append([str(lines[0]["epoch"]), *cells])
    note = (
        f"{method}: drop rate 1 - P in per cent, mean over seeds; xN: dropped in that epoch in N of {len(runs)} runs."
    )
    return markdown(rows) + f"\n\n{note}"


def _points(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:+.2f}"


def _p_value(p_value: float | None) -> str:
    if p_value is None:
        return "-"
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"
