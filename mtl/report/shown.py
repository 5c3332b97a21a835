"""Which methods the figures show where a study has more than can be told apart in one panel."""

from mtl.record.paths import EXAMPLES, RESULTS
from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.names import name_in_sentence
from mtl.report.quote import quote, words
from mtl.report.terms import main_score

MAX_METHODS = 9  # as many as there are styles of lines
ALWAYS = ("joint", "dst", "random_drop", "single_task")


def has_many(study: StudyRecord) -> bool:
    """Whether there are more methods than a figure shows."""
    return len(study.results["methods"]) > MAX_METHODS


def shown_methods(study: StudyRecord) -> list[str]:
    """The methods that the figures show, in the study's order.

    All of them, or if there are many, `ALWAYS` as far as they are there, and as many of the best as of the worst others
    in the mean score on the test split; one more of the best where the number is odd.
    """
    score, methods = main_score(study), study.results["methods"]
    scores_of = {method: scores["overall"][score]["mean"] for method, scores in methods.items()}
    if not has_many(study):
        return list(scores_of)
    always = [method for method in ALWAYS if method in scores_of]
    others = sorted(scores_of.keys() - set(always), key=lambda method: (-scores_of[method], method))
    num_worst = (MAX_METHODS - len(always)) // 2
    num_best = MAX_METHODS - len(always) - num_worst
    chosen = {*always, *others[:num_best], *others[-num_worst:]}
    return [method for method in scores_of if method in chosen]


def dropping_methods(study: StudyRecord) -> list[str]:
    """The methods among those shown that kept the account of Algorithm 1."""
    return [method for method in shown_methods(study) if method in study.results["dropping"]]


def main_form(study: StudyRecord) -> str | None:
    """The form of DST that the report looks at closely: DST itself, or the first one shown that is no control."""
    forms = [method for method in dropping_methods(study) if method not in study.results["controls"]]
    return "dst" if "dst" in forms else next(iter(forms), None)


def example_run(study: StudyRecord) -> RunRecord | None:
    """The first run with examples.npz: of DST where there is one."""
    runs = [run for method in sorted(study.runs, key="dst".__ne__) for run in study.runs[method].values()]
    return next((run for run in runs if (run.folder / EXAMPLES).is_file()), None)


def has_spread(study: StudyRecord) -> bool:
    """Whether any method has more seeds than one."""
    return any(len(seeds) > 1 for seeds in study.results["seeds"].values())


def shown_note(study: StudyRecord) -> str:
    """What to add to a caption where a figure does not show all methods; markup."""
    if not has_many(study):
        return ""
    always = "".join(f"{words(name_in_sentence(method))}, " for method in ALWAYS if method in study.results["methods"])
    num_methods = quote(study, RESULTS, "methods", "count")
    return f" Of {num_methods} methods are shown: {always}the best and the worst others in mean {main_score(study)}."
