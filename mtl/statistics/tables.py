"""What results.json holds, as Markdown tables that are aligned for the terminal too."""

from typing import Any

from mtl import metrics
from mtl.statistics import EQUAL, GAIN, LOSS, ONE_SEED, REFERENCES, UNDECIDED
from mtl.statistics.cost_tables import compute_table, drop_table, dropping_table
from mtl.statistics.markdown import markdown
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
    parts += [compute_table(results["compute"])] if "compute" in results else []
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
    """How far each method is above or below another one in mean accuracy and precision, and on how many tasks.

    Example:
      >>> gain = {"difference": -0.0012, "interval": [-0.0048, 0.0024], "holm_p_value": 0.461, "verdict": "undecided"}
      >>> accuracy, delta_m = {"overall": gain, "tasks": {"Male": gain}}, {"mean": -0.15}
      >>> comparison = {"seeds": [0, 1, 2], "equal_seeds": [], "accuracy": accuracy, "delta_m": delta_m}
      >>> results = {"margin": 0.003, "num_folds": None, "controls": {}, "comparisons": {"dst": {"joint": comparison}}}
      >>> [cell.strip() for cell in gain_table(results, "joint").splitlines()[2].split("|")[1:7]]
      ['dst', '3', '-0.12', '-0.48 to +0.24', '0.461', 'undecided']
    """
    compared = {m: of_method[reference] for m, of_method in results["comparisons"].items() if reference in of_method}
    score = main(results)
    with_precision = all("average_precision" in comparison for comparison in compared.values())
    units = "folds" if results["num_folds"] else "seeds"
    header = [
        "method",
        units,
        "gain, points",
        "95% interval",
        "p (Holm)",
        "verdict",
        "tasks gained, lost",
        "Delta_m, %",
    ]
    rows = [header + (["gain in average precision", "verdict on it"] if with_precision else [])]
    for method, comparison in compared.items():
        gain = comparison[score]["overall"]
        verdicts = [of_task["verdict"] for of_task in comparison[score]["tasks"].values()]
        inference = [
            "-" if gain["interval"] is None else " to ".join(_points(end) for end in gain["interval"]),
            _p_value(gain["holm_p_value"]),
            gain["verdict"],
            f"{verdicts.count(GAIN)}, {verdicts.count(LOSS)}",
        ]
        same = len(comparison["equal_seeds"])
        row = [
            method,
            str(len(comparison["seeds"])) + (f" ({same} the same)" if same else ""),
            _points(gain["difference"]),
            *(["-", "-", ONE_SEED, "-"] if gain["verdict"] == ONE_SEED else inference),
            "-" if comparison["delta_m"]["mean"] is None else f"{comparison['delta_m']['mean']:+.2f}",
        ]
        if with_precision:
            of_precision = comparison["average_precision"]["overall"]
            row += [_points(of_precision["difference"]), of_precision["verdict"]]
        rows.append(row)
    return markdown(rows) + f"\n\n{_gain_note(results, rows, reference)}"


def _gain_note(results: dict[str, Any], rows: list[list[str]], reference: str) -> str:
    found = {cell for row in rows for cell in row}
    score = main(results)
    corrected = "the comparisons that were declared" if results.get("pairs") else "all comparisons"
    note = (
        f"Mean test {score} less that of {reference}. The interval covers other test images (people are resampled) "
        f"and, with more than one seed, other seeds; p is corrected over {corrected} of the study, tasks are counted "
        f"after a correction over tasks (Holm); Delta_m is the mean relative change of "
        f"{DELTA_M if score == metrics.SCORE else score}."
    )
    if results["num_folds"]:
        note += f" Each image is tested once, in one of {results['num_folds']} folds, whose training images overlap: "
        note += "the variance is widened for it (Nadeau and Bengio 2003)."
    if {EQUAL, UNDECIDED} & found:
        note += f' "{EQUAL}": the 90% interval lies within {100 * results["margin"]:g} points; "{UNDECIDED}": neither.'
    if ONE_SEED in found:
        note += f' "{ONE_SEED}": a difference of two networks; another seed may say otherwise, so there is no verdict.'
    if any("the same" in cell for cell in found):
        note += ' "the same": their predictions are equal to the last bit, so there one network has two names.'
    if repeated := results["controls"].get(reference):
        note += f" It repeats the rates of {repeated}: it is the control of {repeated} and of no other method."
    return note


def _points(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:+.2f}"


def _p_value(p_value: float | None) -> str:
    if p_value is None:
        return "-"
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"
