"""Sentences about what a study shows, generated from its statistics: they say "no gain" where that is so."""

from typing import Any

from mtl.report.quote import quote, words
from mtl.report.record import StudyRecord
from mtl.report.style import method_name, task_name

VERDICTS = {
    "gain": "a gain",
    "loss": "a loss",
    "cannot be told apart": "the two cannot be told apart",
}
REFERENCE_NAMES = {"joint": "joint training", "single_task": "single-task networks", "random_drop": "random dropping"}


def gain_sentence(study: StudyRecord, method: str, reference: str) -> str:
    """One comparison in words: difference, interval, p value, verdict, and the tasks that stand out."""
    comparison = study.results["comparisons"][method][reference]
    path = f"comparisons/{method}/{reference}/accuracy/overall"
    overall = comparison["accuracy"]["overall"]
    verdict = VERDICTS[overall["verdict"]]
    return (
        f"*{words(_capital(method_name(method)))} against {REFERENCE_NAMES[reference]}* "
        f"({_seeds(study, method, reference)}): mean accuracy differs by "
        f"{quote(study, 'results.json', f'{path}/difference', 'points')} points "
        f"{_interval(study, path)}: *{verdict}*. {_tasks(comparison)}"
    )


def lesson(study: StudyRecord) -> str:
    """What follows for DST from its comparisons with joint training and with its control; nothing without both."""
    comparisons = study.results["comparisons"].get("dst", {})
    if "joint" not in comparisons:
        return ""
    against_joint = comparisons["joint"]["accuracy"]["overall"]["verdict"]
    if against_joint == "cannot be told apart":
        path = "comparisons/dst/joint/accuracy/overall/interval"
        first = (
            "This study shows *no gain of DST over joint training* in mean accuracy, and no loss either; differences "
            f"outside {quote(study, 'results.json', f'{path}/0', 'points')} to "
            f"{quote(study, 'results.json', f'{path}/1', 'points')} points are not compatible with it."
        )
    else:
        first = {
            "gain": "In this study *DST gains over joint training* in mean accuracy.",
            "loss": "In this study *DST loses against joint training* in mean accuracy.",
        }[against_joint]
    return f"{first} {_of_control(comparisons)}"


def _of_control(comparisons: dict[str, Any]) -> str:
    if "random_drop" not in comparisons:
        return "Without its control, random dropping, nothing can be said of what its schedule contributes."
    return {
        "gain": "It also gains over random dropping at the same mean rate, so the choice of tasks, not dropping as "
        "such, makes the difference.",
        "loss": "It loses against random dropping at the same mean rate: its choice of tasks does harm.",
        "cannot be told apart": "It cannot be told apart from random dropping at the same mean rate, so nothing here "
        "speaks for its choice of tasks.",
    }[comparisons["random_drop"]["accuracy"]["overall"]["verdict"]]


def negative_transfer_sentence(study: StudyRecord, method: str) -> str:
    """Against single-task networks: how many tasks lose by being learned together."""
    path = f"comparisons/{method}/single_task"
    return (
        f"{words(_capital(method_name(method)))}: {quote(study, 'results.json', f'{path}/lower', 'integer')} of "
        f"{quote(study, 'results.json', 'tasks', 'count')} tasks are below their single-task network, "
        f"{quote(study, 'results.json', f'{path}/negative_transfer/num_tasks', 'integer')} of them significantly; "
        f"$Delta_m$ is {quote(study, 'results.json', f'{path}/delta_m/mean', 'signed')} % (mean) and "
        f"{quote(study, 'results.json', f'{path}/delta_m/median', 'signed')} % (median)."
    )


def _interval(study: StudyRecord, path: str) -> str:
    low, high = (quote(study, "results.json", f"{path}/interval/{end}", "points") for end in (0, 1))
    return f"(95 % interval {low} to {high}, $p$ = {quote(study, 'results.json', f'{path}/p_value', 'p', 3)})"


def _seeds(study: StudyRecord, method: str, reference: str) -> str:
    path = f"comparisons/{method}/{reference}/seeds"
    num = len(study.results["comparisons"][method][reference]["seeds"])
    return f"{quote(study, 'results.json', path, 'count')} seed{'s' if num > 1 else ''}"


def _tasks(comparison: dict[str, Any]) -> str:
    by_verdict = {
        verdict: [task for task, gain in comparison["accuracy"]["tasks"].items() if gain["verdict"] == verdict]
        for verdict in ("gain", "loss")
    }
    parts = [
        f"{words(', '.join(map(task_name, tasks)))} {'gains' if verdict == 'gain' else 'loses'}"
        if len(tasks) == 1
        else f"{words(', '.join(map(task_name, tasks)))} {'gain' if verdict == 'gain' else 'lose'}"
        for verdict, tasks in by_verdict.items()
        if tasks
    ]
    return f"By task, after Holm's correction: {'; '.join(parts)}." if parts else "No single task stands out."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
