"""Scores per task and method as dots, and how often each attribute occurs."""

import numpy as np
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures import rows
from mtl.report.names import method_name, task_name
from mtl.report.shown import has_spread, shown_methods
from mtl.report.terms import has_binary_alone, main_score, tasks_of, terms

LABELS = {"accuracy": "accuracy, %", "balanced_accuracy": "balanced accuracy, %", "score": "score, %"}
NOTHING = {"mean": None, "standard_deviation": None}
BOTTOM = 13.0  # mm


def accuracy(study: StudyRecord) -> Figure:
    """Test accuracy and balanced accuracy: mean over seeds, with the standard deviation as a line.

    A grey tick is what guessing each task's more frequent class gets: its accuracy, and 50% balanced. With a regression
    among the tasks the accuracy gives place to the score that all have, which is 0 for the guess of the median.
    """
    tasks, methods = study.results["tasks"], shown_methods(study)
    names = [*map(task_name, tasks), "overall"]
    legend_height = style.legend_layout([method_name(method) for method in methods])[1]
    room = style.MAX_HEIGHT - legend_height - 4 - BOTTOM
    shown = style.most_important(methods, rows.num_methods_that_fit(len(names), room))
    row_height = rows.row_height(len(shown))
    height = row_height * len(names)
    figure = style.new_figure(legend_height + 4 + height + BOTTOM)
    styles = style.method_styles(methods)
    style.legend(figure, {method_name(method): styles[method]._replace(line="") for method in shown})

    left, gap = style.text_width(names) + 3, 5.0
    width = (style.WIDTH - left - gap - 2) / 2
    majority = study.results["majority_accuracy"]
    main = main_score(study)
    guesses = {main: [majority["tasks"][task] for task in tasks] + [majority["overall"]]}
    chance = [_chance(study, task) for task in tasks]
    chance.append(np.nan if np.isnan(chance).any() else float(np.mean(chance)))
    for index, score in enumerate((main, "balanced_accuracy")):
        axes = style.panel(figure, left + index * (width + gap), legend_height + 4, width, height)
        rows.set_rows(axes, names, index == 0)
        axes.axhline(len(tasks) - 0.5, color=style.GREY, linewidth=0.5)
        axes.set_xlabel(f"test {LABELS[score]}")
        guess = 100 * np.array(guesses.get(score, chance), dtype=float)
        rows_of_tasks = np.arange(len(names))
        axes.vlines(guess, rows_of_tasks - 0.4, rows_of_tasks + 0.4, color=style.GREY, linewidth=1.4, label="guess")
        for offset, method in zip(rows.offsets(len(shown), row_height), shown, strict=True):
            of_method = study.results["methods"][method]
            spreads = [of_method["tasks"][task].get(score, NOTHING) for task in tasks]
            spreads.append(of_method["overall"].get(score, NOTHING))
            means = 100 * np.array([spread["mean"] for spread in spreads], dtype=float)
            deviations = 100 * np.array([spread["standard_deviation"] or 0 for spread in spreads], dtype=float)
            heights, look = rows_of_tasks + offset, styles[method]
            axes.hlines(heights, means - deviations, means + deviations, color=look.colour, linewidth=1.0)
            axes.plot(means, heights, look.marker, color=look.colour, label=method)
    style.note(
        figure,
        ("Line: standard deviation over seeds. " if has_spread(study) else "")
        + ("Grey tick: guessing the more frequent class" + (" or the median." if main == "score" else "."))
        + style.room_for(shown, study.results["methods"]),
    )
    return figure


def _chance(study: StudyRecord, task: str) -> float:
    """The balanced accuracy of a guess; NaN of a regression."""
    kinds = dict(zip(study.results["tasks"], study.results.get("kinds", []), strict=False))
    if task in tasks_of(study, "regression"):
        return float("nan")
    return 1 / len(kinds[task]["classes"]) if task in tasks_of(study, "classes") else 0.5


def balance(study: StudyRecord) -> Figure | None:
    """Share of the test images that have each binary attribute, the most frequent first; None where none is binary."""
    if not tasks_of(study, "binary"):
        return None
    test = next(iter(next(iter(study.runs.values())).values())).results["test"]["tasks"]
    counts = {task: test[task] for task in tasks_of(study, "binary") if test[task]["count"]}
    shares = {task: 100 * of_task["positives"] / of_task["count"] for task, of_task in counts.items()}
    tasks = sorted(shares, key=lambda task: -shares[task])
    names = [task_name(task) for task in tasks]
    left, height = style.text_width(names) + 3, 4.0 * len(tasks)
    figure = style.new_figure(2 + height + 9)
    axes = style.panel(figure, left, 2, style.WIDTH - left - 6, height)
    axes.barh(range(len(tasks)), [shares[task] for task in tasks], height=0.66, color=style.BAR)
    for row, task in enumerate(tasks):
        text = f"{shares[task]:.1f}"
        axes.annotate(text, (shares[task], row), (2, 0), textcoords="offset points", va="center", size=style.SMALL)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_yticks(range(len(tasks)), names, size=style.FONT_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"test images with the {terms(study).task}, %" if has_binary_alone(study) else "test images, %")
    return figure
