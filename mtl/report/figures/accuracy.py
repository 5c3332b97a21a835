"""Scores per task and method as dots, and how often each attribute occurs."""

import numpy as np
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures import rows
from mtl.report.names import method_name, task_name
from mtl.report.shown import has_spread, shown_methods

SCORES = {"accuracy": "accuracy, %", "balanced_accuracy": "balanced accuracy, %"}
BOTTOM = 13.0  # mm


def accuracy(study: StudyRecord) -> Figure:
    """Test accuracy and balanced accuracy: mean over seeds, with the standard deviation as a line.

    A grey tick is what guessing each task's more frequent class gets: its accuracy, and 50% balanced.
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
    guesses = {"accuracy": [majority["tasks"][task] for task in tasks] + [majority["overall"]]}
    for index, (score, label) in enumerate(SCORES.items()):
        axes = style.panel(figure, left + index * (width + gap), legend_height + 4, width, height)
        rows.set_rows(axes, names, index == 0)
        axes.axhline(len(tasks) - 0.5, color=style.GREY, linewidth=0.5)
        axes.set_xlabel(f"test {label}")
        guess = 100 * np.array(guesses.get(score, [0.5] * len(names)), dtype=float)
        rows_of_tasks = np.arange(len(names))
        axes.vlines(guess, rows_of_tasks - 0.4, rows_of_tasks + 0.4, color=style.GREY, linewidth=1.4, label="guess")
        for offset, method in zip(rows.offsets(len(shown), row_height), shown, strict=True):
            of_method = study.results["methods"][method]
            spreads = [*(of_method["tasks"][task][score] for task in tasks), of_method["overall"][score]]
            means = 100 * np.array([spread["mean"] for spread in spreads], dtype=float)
            deviations = 100 * np.array([spread["standard_deviation"] or 0 for spread in spreads], dtype=float)
            heights, look = rows_of_tasks + offset, styles[method]
            axes.hlines(heights, means - deviations, means + deviations, color=look.colour, linewidth=1.0)
            axes.plot(means, heights, look.marker, color=look.colour, label=method)
    style.note(
        figure,
        ("Line: standard deviation over seeds. " if has_spread(study) else "")
        + "Grey tick: guessing the more frequent class."
        + style.room_for(shown, study.results["methods"]),
    )
    return figure


def balance(study: StudyRecord) -> Figure:
    """Share of the test images that have each attribute, the most frequent first."""
    test = next(iter(next(iter(study.runs.values())).values())).results["test"]["tasks"]
    shares = {task: 100 * scores["positives"] / scores["count"] for task, scores in test.items() if scores["count"]}
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
    axes.set_xlabel("test images with the attribute, %")
    return figure
