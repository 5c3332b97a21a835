"""What a method gains over a reference: differences with their intervals, per task and overall."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtl.report import style
from mtl.report.figures import rows
from mtl.report.record import StudyRecord
from mtl.statistics import REFERENCES

UNKNOWN = (np.nan, np.nan)
BOLD = 1.15  # width of bold letters, times that of others
GAP, TOP, BOTTOM = 3.0, 5.0, 12.5  # mm


def gains(study: StudyRecord) -> Figure | None:
    """A forest plot of the accuracy: a panel per reference, overall above and a row per task below.

    Filled marks are differences that the statistics call a gain or a loss, hollow ones cannot be told apart from 0.
    Returns None for a study with nothing to compare.
    """
    comparisons = {method: of_method for method, of_method in study.results["comparisons"].items() if of_method}
    references = [name for name in REFERENCES if any(name in of_method for of_method in comparisons.values())]
    if not references:
        return None
    tasks, methods = study.results["tasks"], list(comparisons)
    overall_height = 4.2 * len(methods)
    room = style.MAX_HEIGHT - TOP - overall_height - GAP - BOTTOM
    detailed = style.most_important(methods, rows.num_methods_that_fit(len(tasks), room))
    row_height = rows.row_height(len(detailed))
    tasks_height = row_height * len(tasks)
    figure = style.new_figure(TOP + overall_height + GAP + tasks_height + BOTTOM)

    names = [style.method_name(method) for method in methods]
    left = max(BOLD * style.text_width(names), style.text_width(map(style.task_name, tasks))) + 3
    numbers = style.text_width(["+00.00"]) + 2
    width = (style.WIDTH - left) / len(references) - numbers
    for index, reference in enumerate(references):
        place = left + index * (width + numbers)
        overall = style.panel(figure, place, TOP, width, overall_height)
        below = style.panel(figure, place, TOP + overall_height + GAP, width, tasks_height)
        overall.set_title(f"vs. {style.method_name(reference)}")
        _draw_overall(overall, comparisons, reference, index == 0)
        rows.set_rows(below, [style.task_name(task) for task in tasks], index == 0)
        for offset, method in zip(rows.offsets(len(detailed), row_height), detailed, strict=True):
            if reference in comparisons[method]:
                of_tasks = comparisons[method][reference]["accuracy"]["tasks"]
                _draw_gains(below, method, methods, [of_tasks[task] for task in tasks], np.arange(len(tasks)) + offset)
        _share_x(overall, below)
    label = "difference in test accuracy, percentage points; right of 0 is better"
    style.write(figure, left, figure.get_figheight() * 25.4 - 4.6, label)
    style.note(
        figure,
        "Line: 95% interval. Filled: gain or loss (tasks: after Holm's correction); hollow: cannot be told from 0."
        + style.room_for(detailed, methods),
    )
    return figure


def _draw_overall(axes: Axes, comparisons: dict[str, Any], reference: str, labelled: bool) -> None:
    """A row per method, whose label shows its colour: the legend of the rows below."""
    methods = list(comparisons)
    rows.set_rows(axes, [style.method_name(method) for method in methods], labelled)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines["bottom"].set_visible(False)
    styles = style.method_styles(methods)
    for row, method in enumerate(methods):
        if labelled:
            axes.get_yticklabels()[row].set(color=styles[method].colour, fontweight="bold")
        if reference in comparisons[method]:
            gain = comparisons[method][reference]["accuracy"]["overall"]
            _draw_gains(axes, method, methods, [gain], np.array([row]))
            text = f"{100 * gain['difference']:+.2f}".replace("-", style.MINUS)
            place = axes.get_yaxis_transform()  # x in axes, y in rows
            axes.text(1.02, row, text, transform=place, va="center", size=style.SMALL)
        if method == reference:
            axes.text(0, row, " reference", va="center", size=style.SMALL, color=style.GREY)


def _draw_gains(
    axes: Axes, method: str, methods: Sequence[str], of_rows: Sequence[dict[str, Any]], heights: np.ndarray
) -> None:
    look = style.method_styles(methods)[method]
    differences = 100 * np.array([gain["difference"] for gain in of_rows], dtype=float)
    lows, highs = 100 * np.array([gain["interval"] or UNKNOWN for gain in of_rows], dtype=float).T
    told_apart = np.array([gain["verdict"] != "cannot be told apart" for gain in of_rows])
    axes.hlines(heights, lows, highs, color=look.colour, linewidth=1.0)
    for which, face in ((told_apart, look.colour), (~told_apart, "white")):
        axes.plot(
            differences[which], heights[which], look.marker, color=look.colour, markerfacecolor=face, label=method
        )


def _share_x(overall: Axes, below: Axes) -> None:
    """One scale for both parts of a panel, and a line at 0."""
    limits = np.array([overall.get_xlim(), below.get_xlim()])
    for axes in (overall, below):
        axes.set_xlim(min(limits.min(), 0), max(limits.max(), 0))
        axes.axvline(0, color=style.INK, linewidth=0.6, zorder=1)
