"""Sentences about what a study shows, generated from its statistics: they say "no gain" where that is so."""

from typing import Any

from mtl.record.reading import StudyRecord
from mtl.report.names import method_name, name_in_sentence, task_name
from mtl.report.quote import others_apart, quote, words

VERDICTS = {
    "gain": "a gain",
    "loss": "a loss",
    "cannot be told apart": "the two cannot be told apart",
}
MAX_COMPARISONS = 8  # that get a sentence whatever they show


def findings(study: StudyRecord) -> list[str]:
    """What the comparisons with joint training show, a sentence for each.

    With many, only for DST, its control, and what gains or loses, the best first; the others are counted.
    """
    comparisons = study.results["comparisons"]
    overall = {m: of["joint"]["accuracy"]["overall"] for m, of in comparisons.items() if "joint" in of}
    if len(overall) <= MAX_COMPARISONS:
        return [gain_sentence(study, method, "joint") for method in overall]
    in_full = [method for method in ("dst", "random_drop") if method in overall]
    others = others_apart(comparisons)
    told_apart = sorted(
        overall.keys() - {*in_full, *others}, key=lambda method: (-overall[method]["difference"], method)
    )
    sentences = [gain_sentence(study, method, "joint") for method in in_full]
    sentences += [_short_sentence(study, method) for method in told_apart]
    if others:
        number = quote(study, "results.json", "comparisons", "others_apart")
        sentences.append(
            f"{number} other {'methods' if len(others) > 1 else 'method'} cannot be told apart from joint training. "
            "Nothing is corrected for the number of methods: of those that do not differ, about one in twenty stands "
            "out by chance."
        )
    return sentences


def _short_sentence(study: StudyRecord, method: str) -> str:
    """A comparison with joint training in a line."""
    path = f"comparisons/{method}/joint/accuracy/overall"
    verdict = VERDICTS[study.results["comparisons"][method]["joint"]["accuracy"]["overall"]["verdict"]]
    difference = quote(study, "results.json", f"{path}/difference", "points")
    return f"*{words(_capital(method_name(method)))}*: {difference} points {_interval(study, path)}, *{verdict}*."


def gain_sentence(study: StudyRecord, method: str, reference: str) -> str:
    """One comparison in words: difference, interval, p value, verdict, and the tasks that stand out."""
    comparison = study.results["comparisons"][method][reference]
    path = f"comparisons/{method}/{reference}/accuracy/overall"
    overall = comparison["accuracy"]["overall"]
    verdict = VERDICTS[overall["verdict"]]
    return (
        f"*{words(_capital(method_name(method)))} against {name_in_sentence(reference)}* "
        f"({_seeds(study, method, reference)}): mean accuracy differs by "
        f"{quote(study, 'results.json', f'{path}/difference', 'points')} points "
        f"{_interval(study, path)}: *{verdict}*. {_tasks(comparison)}"
    )


def lesson(study: StudyRecord) -> str:
    """What follows for DST from its comparisons with joint training and with its control; nothing without both."""
    comparisons = study.results["comparisons"].get("dst", {})
    if "joint" not in comparisons:
        return ""
    if study.results["dropping"]["dst"]["overall"]["gates_shut"] == 0:
        return "DST's gates were never shut, so it trained as joint training does: *nothing follows about dropping*."
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
    p_value = quote(study, "results.json", f"{path}/p_value", "p", 3)
    return f"(95 % interval {low} to {high}, $p$ {'' if '<' in p_value else '= '}{p_value})"


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
