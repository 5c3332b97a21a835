"""What was compared and what came out, on the first page."""

from mtl.metrics import MEANING
from mtl.record.paths import RESULTS
from mtl.record.reading import StudyRecord
from mtl.report.findings import equal_sentences, findings, lesson
from mtl.report.guess import guess_sentence
from mtl.report.images import described
from mtl.report.marks import marks_note
from mtl.report.names import method_name, network_name, task_name
from mtl.report.quote import figure, key, quote, table, words
from mtl.report.shown import MAX_METHODS, has_many, has_spread, shown_note
from mtl.report.terms import has_binary_alone, has_faces, main_score, terms
from mtl.statistics.score_table import NUMBERS, score_name

MAX_TASKS = 12  # abreast in a table


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    told = [*findings(study), *equal_sentences(study), guess_sentence(study)]
    sentences = "\n".join(f"- {sentence}" for sentence in told)
    alone = [*study.results["methods"]] == ["single_task"]
    network = "A network for each" if alone else "One network"
    word = terms(study)
    of_what = f"{'binary ' if has_binary_alone(study) else ''}{word.task}"
    tasks = f"{quote(study, RESULTS, 'tasks', 'count')} {of_what}{'s' if len(study.results['tasks']) > 1 else ''}"
    return f"""= Summary

{network}, {words(network_name(study.config["config"]["model"]))}, predicts {tasks} of {"an" if word.image[0] in "aeiou" else "a"} {word.image}. It was trained on
{quote(study, RESULTS, "split_sizes/train", "integer")} images; the epoch was chosen on
{quote(study, RESULTS, "split_sizes/valid", "integer")} validation images, and
{quote(study, RESULTS, "split_sizes/test", "integer")} test images{_identities(study)} were read once. {_compared(study)}.
{described(study)}

{sentences}

{lesson(study)}

{score_table(study, word.score)}
{MEANING if word.score == "score" else ""}

{figure(figures, "all_gains", f"Differences in mean {word.score} of all methods, with 95 % intervals. {marks_note(study)}", True)}
{figure(figures, "gains", f"Differences in {word.score}, per task and overall, with 95 % intervals. {marks_note(study)}{shown_note(study)}", True)}
"""


def score_table(study: StudyRecord, score: str) -> str:
    """One score of all methods, mean and standard deviation over seeds, per cent.

    A row per task and one for their mean; with many methods a row per method, and only their mean where the tasks have
    no room abreast.
    """
    methods, tasks = list(study.results["methods"]), study.results["tasks"]
    method_rows = len(methods) > max(MAX_METHODS, min(len(tasks), MAX_TASKS))
    first = study.results["methods"][methods[0]]
    places = {f"tasks/{key(task)}": words(task_name(task)) for task in tasks if score in first["tasks"][task]}
    mean = {"overall": "*mean*"} if score in first["overall"] else {}
    if method_rows:
        places = mean | (places if len(tasks) <= MAX_TASKS else {})
    else:
        places |= mean
    lines = [["", *places.values()]]
    if score == main_score(study):
        guesses = [quote(study, RESULTS, f"majority_accuracy/{place}", "percent", 1) for place in places]
        lines.append(["majority", *guesses])
    for method in methods:
        cells = [_cell(study, f"methods/{method}/{place}/{score}", score in NUMBERS) for place in places]
        lines.append([words(method_name(method)), *cells])
    rows = lines if method_rows else list(zip(*lines, strict=True))
    name = words(score_name(score))
    spread = "mean ± standard deviation over seeds" if has_spread(study) else "one seed"
    title = words(NUMBERS[score]) if score in NUMBERS else f"{name} on the test split, per cent"
    return table(rows, f"{title}: {spread}.", may_break=method_rows)


def _compared(study: StudyRecord) -> str:
    if has_many(study):
        return f"Compared are {quote(study, RESULTS, 'methods', 'count')} methods"
    names = [words(method_name(method)) for method in study.results["methods"]]
    return f"Compared are: {', '.join(names)}" if len(names) > 1 else f"The only method is {names[0]}"


def _cell(study: StudyRecord, path: str, is_number: bool) -> str:
    how = ("digits", 3) if is_number else ("percent", 1)
    mean = quote(study, RESULTS, f"{path}/mean", *how)
    spread = quote(study, RESULTS, f"{path}/standard_deviation", *how)
    return mean if spread == "--" else f"{mean} #text(size: 0.8em)[± {spread}]"


def _identities(study: StudyRecord) -> str:
    if study.results["num_test_identities"] is None:
        return ""
    of_whom = "people" if has_faces(study) else "groups"
    return f" of {quote(study, RESULTS, 'num_test_identities', 'integer')} {of_whom}"
