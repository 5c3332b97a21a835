"""Where a method is no better than always giving the more frequent answer."""

from mtl.record.reading import StudyRecord
from mtl.report.names import name_in_sentence, task_name
from mtl.report.quote import words
from mtl.report.shown import has_many, shown_methods
from mtl.report.terms import main_score


def not_above(study: StudyRecord, task: str) -> list[str]:
    """The methods among those shown whose score on a task is not above the majority guess; none if unknown."""
    guess = study.results["majority_accuracy"]["tasks"][task]
    methods, score = study.results["methods"], main_score(study)
    scores = {method: methods[method]["tasks"][task][score]["mean"] for method in shown_methods(study)}
    return [method for method, mean in scores.items() if mean is not None and guess is not None and mean <= guess]


def guess_sentence(study: StudyRecord) -> str:
    """Which tasks are not above the majority guess, and under which methods; markup."""
    found = {task: not_above(study, task) for task in study.results["tasks"]}
    parts = [f"{words(task_name(task))} ({_names(study, methods)})" for task, methods in found.items() if methods]
    if not parts:
        return f"Every task is above the majority guess under {every_method(study)}."
    return f"*Not above the majority guess*: {', '.join(parts)}."


def every_method(study: StudyRecord) -> str:
    """Which methods were looked at."""
    if len(study.results["methods"]) == 1:
        return "the only method"
    return "every method shown" if has_many(study) else "every method"


def _names(study: StudyRecord, methods: list[str]) -> str:
    if methods == shown_methods(study):
        return f"under {every_method(study)}"
    return words(", ".join(map(name_in_sentence, methods)))
