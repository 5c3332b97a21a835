"""The network, its training and the methods: what each setting means in this study, and what each method is."""

from typing import Any

from mtl.record.paths import CONFIG, RESULTS
from mtl.record.reading import StudyRecord
from mtl.report.names import balancing, method_name
from mtl.report.quote import quote, table, words
from mtl.report.reasons import settings
from mtl.report.shown import dropping_methods, has_many, main_form
from mtl.report.terms import in_terms, main_score

METHODS = {
    "joint": "the sum of all losses: the baseline",
    "single_task": "a network per attribute, each with the same budget of epochs",
    "dst": "Dropped Scheduled Task (Malhotra, Vatsa and Singh 2023), its metrics mixed by lambda",
    "random_drop": "a control: every task has the mean activation probability of that epoch in the run that it repeats, drawn independently",
    "permuted_drop": "a control: the very gates of the run that it repeats, with tasks permuted",
    "static_drop": "a control: each task has, in all epochs, its mean activation probability in the run that it repeats",
    "uniform_drop": "a control: every task has, in all epochs, the mean activation probability of the run that it repeats",
    "dst_depth": "DST with network depth as its only metric",
    "dst_count": "DST with sample count as its only metric",
    "dst_incompleteness": "DST with training incompleteness as its only metric",
    "dst_stagnancy": "DST with training stagnancy as its only metric",
    "dst_agreement": "DST's gates with a metric of ours alone: how a task's gradient agrees with the others'",
    "dst_signal": "DST's gates with a metric of ours alone: how a task's gradients on two halves of the batch agree",
}


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    fields = [["field", "value", "what it means here"], *(list(line) for line in settings(study))]
    methods = [["method", "seeds", "what it is"]]
    for method in study.results["methods"]:
        seeds = quote(study, RESULTS, f"seeds/{method}", "count")
        methods.append([words(method_name(method)), seeds, _described(study, method)])
    return f"""= Network, training, methods

{_shared(study)} The best epoch is the one with the highest mean {main_score(study)} on the validation split.

{table(fields, "Settings, and what they mean in this study." + _whose(study), ("auto", "auto", "1fr"), may_break=True)}

{table(methods, "The methods.", ("auto", "auto", "1fr"), may_break=has_many(study))}
"""


def _shared(study: StudyRecord) -> str:
    """What the methods have in common."""
    sentences = []
    if len(study.results["methods"]) > 1:
        but = ", variants as far as their own settings are the same" if _variants(study) else ""
        sentences.append(f"For the same seed every method starts from the same weights and sees the same batches{but}.")
    if dropping_methods(study):
        sentences.append(
            "The head of a dropped task stays as it is: no gradient, nothing of the optimizer's memory, no weight decay."
        )
    return " ".join(sentences)


def _whose(study: StudyRecord) -> str:
    """Of which method the table tells lambda and beta; markup."""
    form = main_form(study)
    if form is None:
        return ""
    others = [
        method for method in dropping_methods(study) if method != form and method not in study.results["controls"]
    ]
    and_others = " A form with a single metric gives it $1 - lambda_b$." if others else ""
    return (
        f" $lambda$ and $beta$ are those of {words(method_name(form))}; the paper's values are not known to us."
        f"{and_others}"
    )


def what_it_is(method: str) -> str:
    """A method in a line: of `METHODS`, or what its file in mtl/methods begins with, less its name."""
    if method in METHODS:
        return METHODS[method]
    found = balancing(method.removeprefix("dst_"))
    if found is None:
        return "a variant; its configuration is in its runs' config.json"
    return f"DST's gates; for the tasks that they leave on, {found[1]}" if method.startswith("dst_") else found[1]


def _described(study: StudyRecord, method: str) -> str:
    """What a method is; of a variant the fields that it changes; markup."""
    variants = _variants(study)
    if method not in variants:
        return words(in_terms(study, what_it_is(method)))
    fields = [
        f"{words('.'.join(keys))} = {_value(study, '/'.join(('config/study/variants', method, *keys)), value)}"
        for keys, value in _leaves(variants[method])
    ]
    return f"a variant: {', '.join(fields)}"


def _variants(study: StudyRecord) -> dict[str, Any]:
    """The variants that were trained, as the configuration describes them."""
    variants = study.config["config"]["study"]["variants"]
    return {name: fields for name, fields in variants.items() if name in study.results["methods"]}


def _leaves(fields: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """The fields at the ends of a nested dictionary, with the keys that lead there."""
    return [
        leaf
        for key, value in fields.items()
        for leaf in (_leaves(value, (*above, key)) if isinstance(value, dict) else [((*above, key), value)])
    ]


def _value(study: StudyRecord, path: str, value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return quote(study, CONFIG, path, "plain")
    return words(", ".join(map(str, value)) if isinstance(value, list) else str(value))
