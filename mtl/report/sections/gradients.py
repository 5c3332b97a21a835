"""Whether the tasks' gradients agree, in words and as a figure."""

from mtl.record.paths import METRICS, RESULTS, run_file
from mtl.record.reading import StudyRecord
from mtl.report.conflicts import measured_levels, measured_methods, measured_pairs, measured_run, read
from mtl.report.names import method_name, task_name
from mtl.report.quote import figure, quote, table, words
from mtl.report.shown import has_spread, shown_methods, shown_note

MEANINGS = {
    "features": "the features, which all heads read",
    "parameters": "the parameters of the trunk, which all tasks share",
}


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    levels = measured_levels(study)
    if not levels:
        return ""
    meanings = ", and to ".join(MEANINGS[level] for level in levels)
    sentences = "\n".join(f"- {_sentence(study, level)}" for level in levels)
    band = " and over seeds; the band spans the seeds" if has_spread(study) else ""
    return f"""= Do the tasks' gradients agree?

In every training step the gradient of a task says in which direction its loss rises fastest. The cosine of two tasks' gradients says how alike they are: 1 where
they point the same way, 0 where they have nothing to do with each other, below 0 where they oppose each other. In this last case the two tasks
_conflict_ (Yu et al., PCGrad): a small step down the gradient of one raises the loss of the other. Directions drawn at random conflict half of the
time. Gradients are taken with respect to {meanings}.

{sentences}

{_shares(study, levels)}

{figure(figures, "gradients", f"Above: cosines between the tasks' gradients, mean over an epoch's steps; blue: the tasks oppose each other. Each row has its own scale of colours. Below: share of the steps in which two tasks conflict, mean over pairs of tasks{band}.{shown_note(study)}")}
"""


def _sentence(study: StudyRecord, level: str) -> str:
    """The pairs that stand out in the last epoch of the run that the figure shows."""
    method, seed = measured_run(study, level)
    file, epochs = run_file(method, seed, METRICS), study.runs[method][seed].epochs
    last, pairs = len(epochs) - 1, measured_pairs(epochs[-1], level)
    cosines_KK, conflicts_KK = (read(epochs[-1], level, field) for field in ("cosines", "conflicts"))
    alike = max(pairs, key=lambda pair: cosines_KK[pair])
    opposed = max(pairs, key=lambda pair: (conflicts_KK[pair], -cosines_KK[pair]))

    def cosine(pair: tuple[int, int]) -> str:
        return quote(study, file, f"{last}/gradients/{level}/cosines/{pair[0]}/{pair[1]}", "signed", 4)

    epoch = quote(study, file, f"{last}/epoch", "integer")
    number = quote(study, run_file(method, seed, RESULTS), "seed", "integer")
    share = quote(study, file, f"{last}/gradients/{level}/conflicts/{opposed[0]}/{opposed[1]}", "percent", 1)
    return (
        f"*{level.capitalize()}* ({words(method_name(method))}, seed {number}, epoch {epoch}): most alike are the "
        f"gradients of {_names(study, alike)}, with a cosine of {cosine(alike)}; {_names(study, opposed)} conflict most "
        f"often, in {share} % of the steps, with a cosine of {cosine(opposed)}."
    )


def _shares(study: StudyRecord, levels: list[str]) -> str:
    """How the share of conflicts changed from the first to the last epoch of each method's first run."""
    shown = [method for method in measured_methods(study, levels[0]) if method in shown_methods(study)]
    spans = [f"table.cell(colspan: 2)[{level}, %]," for level in levels]
    rows = [["", *spans], ["", *["first epoch", "last epoch"] * len(levels)]]
    for method in shown:
        seed, run = next(iter(study.runs[method].items()))
        file, ends = run_file(method, seed, METRICS), (0, len(run.epochs) - 1)
        cells = [
            quote(study, file, f"{index}/conflicting/{level}", "percent", 1)
            if level in run.epochs[index]["conflicting"]
            else "--"
            for level in levels
            for index in ends
        ]
        rows.append([words(method_name(method)), *cells])
    caption = "Share of the steps in which two tasks conflict, mean over pairs of tasks; first seed of each method."
    return table(rows, caption + shown_note(study), num_header_rows=2)


def _names(study: StudyRecord, pair: tuple[int, int]) -> str:
    first, second = (words(task_name(study.results["tasks"][task])) for task in pair)
    return f"{first} and {second}"
