"""Task-wise and overall scores, the gains, and negative transfer."""

from mtl.record.paths import RESULTS
from mtl.record.reading import StudyRecord
from mtl.report.findings import baseline, gain_sentence, negative_transfer_sentence
from mtl.report.names import method_name, name_in_sentence, task_name
from mtl.report.quote import figure, key, quote, table, words
from mtl.report.sections.summary import score_table
from mtl.report.shown import has_spread, main_form, shown_methods, shown_note
from mtl.report.terms import has_faces, main_score
from mtl.statistics import ONE_SEED, REFERENCES
from mtl.statistics.score_table import tabulated
from mtl.statistics.tables import DELTA_M


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    others = "\n\n".join(score_table(study, score) for score in tabulated(study.results)[1:])
    return f"""= Scores

{figure(figures, "accuracy", f"{main_score(study).capitalize()} per task; {'the line is the standard deviation over seeds, ' if has_spread(study) else ''}the grey tick is the majority guess.{shown_note(study)}", True)}

{others}

== Gains

A difference is the mean over the seeds, or folds, that both methods have. Its standard error adds two parts: what the test images contribute to all seeds alike, from a
paired bootstrap that resamples {"people" if has_faces(study) else "groups"} with all their images (the same resamples for both methods), and the spread over seeds{_folds(study)}. Intervals and $p$ values follow
Student's $t$ with Satterthwaite's degrees of freedom; $p$ values, not intervals, are corrected: over the comparisons of this study for the mean, over the tasks within each
(Holm 1979). From few seeds a variance often comes out too small by chance, so each task takes the larger of its own and the tasks' average. A difference that is no gain and no
loss is *equal* where two one-sided tests at 5 % reject one as large as the margin of {quote(study, RESULTS, "margin", "percent", 1)} points, that is, where the 90 % interval lies
within it, and *undecided* else. With one seed the spread over seeds is unknown: the interval is that over test images, for two networks, and there is no verdict on the methods.

{_gain_table(study)}

{_sentences(study)}

{_negative_transfer(study)}
"""


def _gain_table(study: StudyRecord) -> str:
    form = main_form(study)
    references = study.results["comparisons"].get(form, {})
    if form is None or not references:
        return ""
    form_name = words(method_name(form))
    names = [f"table.cell(colspan: 2)[{words(name_in_sentence(r))}]," for r in references]
    rows = [[f"{form_name} against", *names], ["", *["points", "$p$ (Holm)"] * len(references)]]
    for task in [*study.results["tasks"], ""]:
        cells = []
        for reference in references:
            path = f"comparisons/{form}/{reference}/{main_score(study)}/{f'tasks/{key(task)}' if task else 'overall'}"
            low, high = (quote(study, RESULTS, f"{path}/interval/{end}", "points", 1) for end in (0, 1))
            difference = quote(study, RESULTS, f"{path}/difference", "points", 1)
            cells.append(f"{difference} #text(size: 0.85em)[({low} to {high})]")
            one_seed = references[reference][main_score(study)]["overall"]["verdict"] == ONE_SEED
            cells.append(ONE_SEED if one_seed else quote(study, RESULTS, f"{path}/holm_p_value", "p", 3))
        rows.append([words(task_name(task)) if task else "*mean*", *cells])
    caption = f"Gain of {form_name} in {main_score(study)}, percentage points with 95 % intervals; negative where it is worse."
    return table(rows, caption, (), 2)


def _folds(study: StudyRecord) -> str:
    """What is different where each image is tested once."""
    if study.results["num_folds"] is None:
        return ""
    return (
        f"; the {quote(study, RESULTS, 'num_folds', 'integer')} folds share training images, for which it is widened "
        "(Nadeau and Bengio 2003)"
    )


def _sentences(study: StudyRecord) -> str:
    """The comparisons of the main form of DST that the summary leaves out, and those that could not be made."""
    form = main_form(study)
    references = study.results["comparisons"].get(form, {})
    lines = [
        f"- {gain_sentence(study, form, reference)}"
        for reference in references
        if form is not None and reference != baseline(study, form)
    ]
    absent = [name_in_sentence(reference) for reference in REFERENCES if reference not in study.results["methods"]]
    if absent:
        lines.append(f"- This study has no runs of {words(' and '.join(absent))}; nothing is said of a gain over them.")
    return "\n".join(lines)


def _negative_transfer(study: StudyRecord) -> str:
    methods = [m for m in shown_methods(study) if "single_task" in study.results["comparisons"].get(m, {})]
    if not methods:
        return ""
    lines = "\n".join(f"- {negative_transfer_sentence(study, method)}" for method in methods)
    return f"""== Negative transfer

A task suffers negative transfer when the shared network is worse at it than a network of its own.
$Delta_m = 100 / K sum_t (a_t - b_t) / b_t$ is the mean relative change of {DELTA_M if main_score(study) == "score" else "accuracy"}, with $a$ the method and $b$ the single-task networks;
above zero is better.{shown_note(study)}

{lines}
"""
