"""Sentences about what a study shows, generated from its statistics: they say "no gain" where that is so."""

from collections.abc import Collection
from typing import Any

from mtl.record.paths import RESULTS
from mtl.record.reading import StudyRecord
from mtl.report.names import method_name, name_in_sentence, task_name
from mtl.report.quote import others, quote, words
from mtl.report.shown import main_form
from mtl.report.terms import main_score
from mtl.statistics import EQUAL, GAIN, LOSS, ONE_SEED, UNDECIDED

VERDICTS = {
    GAIN: "a gain",
    LOSS: "a loss",
    EQUAL: "equal within the margin",
    UNDECIDED: "undecided",
    ONE_SEED: "one seed allows no verdict on the method",
}
MAX_COMPARISONS = 8  # that get a sentence whatever they show


def baseline(study: StudyRecord, method: str) -> str:
    """What a method is compared with: joint training, or what the configuration names for it."""
    return study.results["references"].get(method, "joint")


def findings(study: StudyRecord) -> list[str]:
    """What the comparisons of the methods with their baselines show, a sentence for each.

    With many, only for DST, its control, those with a baseline of their own, and what gains or loses, the best first;
    the others are counted.
    """
    overall = {
        method: references[baseline(study, method)][main_score(study)]["overall"]
        for method, references in study.results["comparisons"].items()
        if baseline(study, method) in references
    }
    if len(overall) <= MAX_COMPARISONS:
        return [gain_sentence(study, method, baseline(study, method)) for method in overall]
    in_full = [method for method in ("dst", "random_drop", *study.results["references"]) if method in overall]
    equal, undecided, one_seed = (others(study.results, verdict) for verdict in (EQUAL, UNDECIDED, ONE_SEED))
    told_apart = sorted(
        overall.keys() - {*in_full, *equal, *undecided, *one_seed},
        key=lambda method: (-overall[method]["difference"], method),
    )
    sentences = [gain_sentence(study, method, baseline(study, method)) for method in in_full]
    sentences += [_short_sentence(study, method) for method in told_apart]
    if equal:
        number = quote(study, RESULTS, "", "others_equal")
        sentences.append(f"Equal to joint training {margin(study)}: {number} other {_methods(equal)}.")
    if undecided:
        number = quote(study, RESULTS, "", "others_undecided")
        sentences.append(f"Of {number} other {_methods(undecided)} nothing is decided against joint training.")
    if one_seed:
        sentences.append(_range(study, one_seed))
    return sentences


def margin(study: StudyRecord) -> str:
    return f"within the margin of {quote(study, RESULTS, 'margin', 'percent', 1)} points"


def _range(study: StudyRecord, methods: list[str]) -> str:
    def difference(method: str) -> float:
        value = study.results["comparisons"][method]["joint"][main_score(study)]["overall"]["difference"]
        return 0.0 if value is None else value

    ends = [
        f"{quote(study, RESULTS, f'comparisons/{method}/joint/{main_score(study)}/overall/difference', 'points')} "
        f"({words(method_name(method))})"
        for method in (min(methods, key=difference), max(methods, key=difference))
    ]
    number = quote(study, RESULTS, "", "others_one_seed")
    return (
        f"{number} other {_methods(methods)} differ{'s' if len(methods) == 1 else ''} from joint training by "
        f"{' to '.join(ends)} points in the one seed that they share with it: *one seed allows no verdict on a method*."
    )


def _short_sentence(study: StudyRecord, method: str) -> str:
    """A comparison with joint training in a line."""
    path = f"comparisons/{method}/joint/{main_score(study)}/overall"
    verdict = VERDICTS[study.results["comparisons"][method]["joint"][main_score(study)]["overall"]["verdict"]]
    difference = quote(study, RESULTS, f"{path}/difference", "points")
    return f"*{words(_capital(method_name(method)))}*: {difference} points {_interval(study, path)}, *{verdict}*."


def gain_sentence(study: StudyRecord, method: str, reference: str) -> str:
    """One comparison in words: difference, interval, p value, verdict, and the tasks that stand out.

    With one seed the interval is that over test images, and nothing is said of significance.
    """
    comparison = study.results["comparisons"][method][reference]
    score = main_score(study)
    path = f"comparisons/{method}/{reference}/{score}/overall"
    verdict = comparison[score]["overall"]["verdict"]
    interval = _image_interval(study, path) if verdict == ONE_SEED else _interval(study, path)
    return (
        f"*{words(_capital(method_name(method)))} against {words(name_in_sentence(reference))}* "
        f"({_seeds(study, method, reference)}): mean {score} differs by "
        f"{quote(study, RESULTS, f'{path}/difference', 'points')} points "
        f"{interval}: *{VERDICTS[verdict]}*.{'' if verdict == ONE_SEED else ' ' + _tasks(comparison[score])}"
    )


def lesson(study: StudyRecord) -> str:
    """What follows for the main form of DST: gates shut, its baseline, and for DST itself its control; markup."""
    form = main_form(study)
    if form is None:
        return ""
    name, comparisons = words(method_name(form)), study.results["comparisons"].get(form, {})
    sentences = [_gates(study, form)]
    if study.results["dropping"][form]["overall"]["num_shut"] == 0:
        sentences.append(
            "It trained as if nothing could be dropped: *nothing follows about dropping*, whatever differences say."
        )
    elif baseline(study, form) in comparisons:
        sentences.append(_of_baseline(study, form))
        sentences += _of_controls(study, form)
        sentences.append(f"All that is said of {name} rests on these gates.")
    return " ".join(sentences)


def _gates(study: StudyRecord, form: str) -> str:
    path, name = f"dropping/{form}/overall", words(_capital(method_name(form)))
    of_step = any(
        0 < gate < 1 for run in study.runs.get(form, {}).values() for line in run.dst for gate in line["G"].values()
    )
    shares = ", each as the share of the epoch's steps in which it was shut" if of_step else ""
    return (
        f"{name} *shut {quote(study, RESULTS, f'{path}/num_shut', 'tally')} of "
        f"{quote(study, RESULTS, f'{path}/num_gates', 'tally')} gates*, counted over tasks, epochs and "
        f"seeds{shares}: {quote(study, RESULTS, f'{path}/gates_shut', 'percent', 1)} %. Its mean drop rate "
        f"$1 - P$ was {quote(study, RESULTS, f'{path}/drop_rate', 'percent', 1)} %: that is how likely a gate "
        "was to be shut, not how often it was."
    )


def _of_baseline(study: StudyRecord, form: str) -> str:
    reference, name = baseline(study, form), words(method_name(form))
    other = words(name_in_sentence(reference))
    path = f"comparisons/{form}/{reference}/{main_score(study)}/overall"
    verdict = study.results["comparisons"][form][reference][main_score(study)]["overall"]["verdict"]
    low, high = (quote(study, RESULTS, f"{path}/interval/{end}", "points") for end in (0, 1))
    return {
        GAIN: f"In this study *{name} gains over {other}* in mean {main_score(study)}.",
        LOSS: f"In this study *{name} loses against {other}* in mean {main_score(study)}.",
        EQUAL: f"In this study *{name} and {other} are equal* in mean {main_score(study)}, {margin(study)}: the "
        "90 % interval of their difference lies within it.",
        UNDECIDED: f"This study *shows no gain of {name} over {other}* in mean {main_score(study)}, nor that they are "
        f"equal {margin(study)}: the 95 % interval of their difference is {low} to {high} points.",
        ONE_SEED: f"With one seed, *nothing follows for {name} against {other}*: another seed may say otherwise.",
    }[verdict]


def _of_controls(study: StudyRecord, form: str) -> list[str]:
    """What follows from each control that repeats this form; others say nothing of it."""
    name, comparisons = words(method_name(form)), study.results["comparisons"][form]
    controls = [m for m, repeated in study.results["controls"].items() if repeated == form and m in comparisons]
    if not controls:
        return [f"Without a control that repeats {name}, nothing can be said of what its schedule contributes."]
    return [
        {
            GAIN: "It gains over {}: its choice of tasks contributes.",
            LOSS: "It loses against {}: its choice of tasks does harm.",
            EQUAL: f"It is equal to {{}} {margin(study)}: its choice of tasks contributes nothing that matters.",
            UNDECIDED: "Against {} it is undecided, so nothing here speaks for its choice of tasks.",
            ONE_SEED: "With {} it shares one seed, so nothing is said of its choice of tasks.",
        }[comparisons[control][main_score(study)]["overall"]["verdict"]].format(
            f"{words(name_in_sentence(control))}, which repeats its rates,"
        )
        for control in controls
    ]


def equal_sentences(study: StudyRecord) -> list[str]:
    """A sentence for each group of runs whose test predictions are equal to the last bit; markup."""
    sentences = []
    for group, runs in enumerate(study.results["equal_predictions"]):
        names = [
            f"{words(method_name(method))} (seed "
            f"{quote(study, RESULTS, f'equal_predictions/{group}/{index}/1', 'integer')})"
            for index, (method, _) in enumerate(runs)
        ]
        sentences.append(
            f"{', '.join(names)} gave *the same predictions to the last bit*: they are one network under several "
            "names, and differences between them say nothing."
        )
    return sentences


def negative_transfer_sentence(study: StudyRecord, method: str) -> str:
    """Against single-task networks: how many tasks lose by being learned together."""
    path = f"comparisons/{method}/single_task"
    verdict = study.results["comparisons"][method]["single_task"][main_score(study)]["overall"]["verdict"]
    significant = (
        "one seed, so nothing is said of significance"
        if verdict == ONE_SEED
        else f"{quote(study, RESULTS, f'{path}/negative_transfer/num_tasks', 'integer')} of them significantly"
    )
    return (
        f"{words(_capital(method_name(method)))}: {quote(study, RESULTS, f'{path}/lower', 'integer')} of "
        f"{quote(study, RESULTS, 'tasks', 'count')} tasks are below their single-task network, "
        f"{significant}; "
        f"$Delta_m$ is {quote(study, RESULTS, f'{path}/delta_m/mean', 'signed')} % (mean) and "
        f"{quote(study, RESULTS, f'{path}/delta_m/median', 'signed')} % (median)."
    )


def _interval(study: StudyRecord, path: str) -> str:
    low, high = (quote(study, RESULTS, f"{path}/interval/{end}", "points") for end in (0, 1))
    p_value = quote(study, RESULTS, f"{path}/holm_p_value", "p", 3)
    return f"(95 % interval {low} to {high}, $p$ {'' if '<' in p_value else '= '}{p_value})"


def _image_interval(study: StudyRecord, path: str) -> str:
    low, high = (quote(study, RESULTS, f"{path}/image_interval/{end}", "points") for end in (0, 1))
    return f"(95 % interval over test images {low} to {high})"


def _seeds(study: StudyRecord, method: str, reference: str) -> str:
    path = f"comparisons/{method}/{reference}/seeds"
    num = len(study.results["comparisons"][method][reference]["seeds"])
    return f"{quote(study, RESULTS, path, 'count')} seed{'s' if num > 1 else ''}"


def _tasks(gains: dict[str, Any]) -> str:
    by_verdict = {
        verdict: [task for task, gain in gains["tasks"].items() if gain["verdict"] == verdict]
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


def _methods(methods: Collection[str]) -> str:
    return "method" if len(methods) == 1 else "methods"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
