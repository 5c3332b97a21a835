"""What was compared and what came out, on the first page."""

from mtl.report.findings import gain_sentence, lesson
from mtl.report.quote import figure, quote, table, words
from mtl.report.record import StudyRecord
from mtl.report.style import method_name, task_name


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    results = study.results
    backbone = {"resnet18": "ResNet-18", "vgg16": "VGG-16"}.get(*[study.config["config"]["model"]["backbone"]] * 2)
    methods = ", ".join(words(method_name(method)) for method in results["methods"])
    against_joint = [m for m, references in results["comparisons"].items() if "joint" in references]
    findings = "\n".join(f"- {gain_sentence(study, method, 'joint')}" for method in against_joint)
    return f"""= Summary

One network, {words(backbone)}, predicts {quote(study, "results.json", "tasks", "count")} binary attributes of a face. It was trained on
{quote(study, "results.json", "split_sizes/train", "integer")} images; the epoch was chosen on
{quote(study, "results.json", "split_sizes/valid", "integer")} validation images, and
{quote(study, "results.json", "split_sizes/test", "integer")} test images{_identities(study)} were read once. Compared are: {methods}.
{_data_note(study)}

{findings}

{lesson(study)}

{score_table(study, "accuracy")}

{figure(figures, "gains", "Differences in accuracy, per task and overall, with 95 % intervals. Filled marks: significant, per task after Holm's correction over the tasks; hollow marks: cannot be told apart from zero.", True)}
"""


def score_table(study: StudyRecord, score: str) -> str:
    """One score of all methods, a row per task; mean and standard deviation over seeds, per cent."""
    methods = list(study.results["methods"])
    guessing = score == "accuracy"
    rows = [["", *(["majority"] if guessing else []), *(words(method_name(method)) for method in methods)]]
    for task in [*study.results["tasks"], ""]:
        place = f"tasks/{task}" if task else "overall"
        guess = [quote(study, "results.json", f"majority_accuracy/{place}", "percent", 1)] if guessing else []
        cells = [_cell(study, f"methods/{method}/{place}/{score}") for method in methods]
        rows.append([words(task_name(task)) if task else "*mean*", *guess, *cells])
    name = words(score.replace("_", " ").capitalize())
    return table(rows, f"{name} on the test split, per cent: mean ± standard deviation over seeds.")


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
