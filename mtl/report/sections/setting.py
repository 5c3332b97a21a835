"""The network, its training and the methods, with the reasons for each choice."""

import ast
from pathlib import Path

from mtl.record.reading import StudyRecord
from mtl.report.names import method_name
from mtl.report.quote import quote, table, words
from mtl.report.shown import has_many

BALANCING = Path(__file__).parents[2] / "methods"
REASONS = {
    "model/backbone": "the network of the published comparisons; a linear head per attribute reads the averaged last features",
    "data/image_size": "pixels; the published comparisons use 64, smaller images fit a CPU",
    "train/epochs": "until validation accuracy of joint training hardly rises; the same for every method",
    "train/batch_size": "images; small enough for a noisy gradient on few images",
    "train/optimizer": "AdamW needs no tuning of its rate for each method",
    "train/learning_rate": "the highest of the schedule; the usual one of Adam",
    "train/weight_decay": "decoupled",
    "train/schedule": "falls to zero, so the last epochs are comparable between methods",
    "train/warmup_epochs": "epochs of linear rise; Adam's moments are poor at first",
    "train/precision": "of the trunk's convolutions",
    "dst/beta": "weight of the newest rate of change; our choice, the paper's value is not known to us",
    "dst/probe_images": "training images on which V is measured before each epoch, forward only",
    "dst/period": "how often gates are drawn; the paper draws once per epoch",
}
METHODS = {
    "joint": "the sum of all losses: the baseline",
    "single_task": "a network per attribute, each with the same budget of epochs",
    "uncertainty": "losses weighted by learned variances (Kendall, Gal and Cipolla 2018)",
    "dst": "Dropped Scheduled Task (Malhotra, Vatsa and Singh 2023), all metrics mixed",
    "random_drop": "the control: every task has DST's mean activation probability of that epoch, drawn independently",
    "dst_depth": "DST with network depth alone, beside regularization",
    "dst_count": "DST with sample count alone, beside regularization",
    "dst_incompleteness": "DST with training incompleteness alone, beside regularization",
    "dst_stagnancy": "DST with training stagnancy alone, beside regularization",
}


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    fields = [["field", "value", "why"]]
    for path, reason in REASONS.items():
        fields.append([words(path.replace("/", ".")), _value(study, path), words(reason)])
    methods = [["method", "seeds", "what it is"]]
    for method in study.results["methods"]:
        seeds = quote(study, "results.json", f"seeds/{method}", "count")
        methods.append([words(method_name(method)), seeds, words(what_it_is(method))])
    return f"""= Network, training, methods

Every method starts from the same weights and sees the same batches for the same seed; a dropped task gets no gradient, no momentum and no
weight decay at its head. The best epoch is the one with the highest mean accuracy on the validation split.

{table(fields, "Settings that matter, and why they are so.", ("auto", "auto", "1fr"))}

{table(methods, "The methods.", ("auto", "auto", "1fr"), may_break=has_many(study))}
"""


def what_it_is(method: str) -> str:
    """A method in a line: of `METHODS`, or what its file in mtl/methods begins with, less its name."""
    if method in METHODS:
        return METHODS[method]
    weights = method.removeprefix("dst_")
    file = BALANCING / f"{weights}.py"
    if not file.is_file():
        return "a variant; its configuration is in its runs' config.json"
    line = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0].removesuffix(".")
    prefix, _, rest = line.partition(": ")
    described = rest if prefix.casefold() == method_name(weights).casefold() else line
    return described if weights == method else f"DST's gates; for the tasks that they leave on, {described}"


def _value(study: StudyRecord, path: str) -> str:
    value = study.config["config"]
    for key in path.split("/"):
        value = value[key]
    return words(value) if isinstance(value, str) else quote(study, "config.json", f"config/{path}", "plain")
