"""What was compared and what came out, on the first page."""

from mtl.record.reading import StudyRecord
from mtl.report.findings import findings, lesson
from mtl.report.names import BACKBONES, method_name, task_name
from mtl.report.quote import figure, quote, table, words
from mtl.report.shown import MAX_METHODS, has_many, shown_note

MAX_TASKS = 12  # abreast in a table


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    backbone = study.config["config"]["model"]["backbone"]
    sentences = "\n".join(f"- {sentence}" for sentence in findings(study))
    return f"""= Summary

One network, {words(BACKBONES.get(backbone, backbone))}, predicts {quote(study, "results.json", "tasks", "count")} binary attributes of a face. It was trained on
{quote(study, "results.json", "split_sizes/train", "integer")} images; the epoch was chosen on
{quote(study, "results.json", "split_sizes/valid", "integer")} validation images, and
{quote(study, "results.json", "split_sizes/test", "integer")} test images{_identities(study)} were read once. Compared are{_compared(study)}.
{_data_note(study)}

{sentences}

{lesson(study)}

{score_table(study, "accuracy")}

{figure(figures, "all_gains", "Differences in mean accuracy of all methods, with 95 % intervals. Filled marks: significant; hollow marks: cannot be told apart from zero.", True)}
{figure(figures, "gains", f"Differences in accuracy, per task and overall, with 95 % intervals. Filled marks: significant, per task after Holm's correction over the tasks; hollow marks: cannot be told apart from zero.{shown_note(study)}", True)}
"""


def score_table(study: StudyRecord, score: str) -> str:
    """One score of all methods, mean and standard deviation over seeds, per cent.

    A row per task and one for their mean; with many methods a row per method, and only their mean where the tasks have
    no room abreast.
    """
    methods, tasks = list(study.results["methods"]), study.results["tasks"]
    method_rows = len(methods) > max(MAX_METHODS, min(len(tasks), MAX_TASKS))
    places = {f"tasks/{task}": words(task_name(task)) for task in tasks}
    if method_rows:
        places = {"overall": "*mean*"} | (places if len(tasks) <= MAX_TASKS else {})
    else:
        places |= {"overall": "*mean*"}
    lines = [["", *places.values()]]
    if score == "accuracy":
        guesses = [quote(study, "results.json", f"majority_accuracy/{place}", "percent", 1) for place in places]
        lines.append(["majority", *guesses])
    for method in methods:
        cells = [_cell(study, f"methods/{method}/{place}/{score}") for place in places]
        lines.append([words(method_name(method)), *cells])
    rows = lines if method_rows else list(zip(*lines, strict=True))
    name = words(score.replace("_", " ").capitalize())
    return table(
        rows, f"{name} on the test split, per cent: mean ± standard deviation over seeds.", may_break=method_rows
    )


def _compared(study: StudyRecord) -> str:
    if has_many(study):
        return f" {quote(study, 'results.json', 'methods', 'count')} methods"
    return ": " + ", ".join(words(method_name(method)) for method in study.results["methods"])


def _cell(study: StudyRecord, path: str) -> str:
    mean = quote(study, "results.json", f"{path}/mean", "percent", 1)
    spread = quote(study, "results.json", f"{path}/standard_deviation", "percent", 1)
    return mean if spread == "--" else f"{mean} #text(size: 0.8em)[± {spread}]"


def _identities(study: StudyRecord) -> str:
    if study.results["num_test_identities"] is None:
        return ""
    return f" of {quote(study, 'results.json', 'num_test_identities', 'integer')} people"


def _data_note(study: StudyRecord) -> str:
    data = study.config["config"]["data"]
    if data["name"] == "faces":
        return "The faces are *drawn by a program*, not photographs: the figures show that the system works, no more."
    if study.results["split_sizes"]["train"] < 162770:
        return "The images are a *subset of CelebA* with a split of its own; scores are not comparable with published ones."
    return ""
