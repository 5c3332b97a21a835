"""What a method gains over a reference: differences with their intervals, per task and overall."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures import rows
from mtl.report.marks import is_told_apart, verdicts
from mtl.report.names import method_name, task_name
from mtl.report.shown import has_many, shown_methods
from mtl.report.terms import main_score
from mtl.statistics import ONE_SEED, REFERENCES

UNKNOWN = (np.nan, np.nan)
GAP, TOP, BOTTOM = 3.0, 5.0, 12.5  # mm
ROW = 4.2  # height of a method's row, mm
UNSHOWN = style.Style(style.GREY, "o", "-")  # of a method that other figures do not show


def gains(study: StudyRecord) -> Figure | None:
    """A forest plot of the score that all tasks have: a panel per reference, overall above and a row per task below.

    Filled marks are differences that the statistics call a gain or a loss; hollow ones are equal, undecided,
    or rest on one seed.
    Returns None for a study with nothing to compare.
    """
    comparisons = _comparisons(study, shown_methods(study))
    references = _references(comparisons)
    if not references:
        return None
    tasks, methods = study.results["tasks"], list(comparisons)
    overall_height = ROW * len(methods)
    room = style.MAX_HEIGHT - TOP - overall_height - GAP - BOTTOM
    detailed = style.most_important(methods, rows.num_methods_that_fit(len(tasks), room))
    row_height = rows.row_height(len(detailed))
    tasks_height = row_height * len(tasks)
    figure = style.new_figure(TOP + overall_height + GAP + tasks_height + BOTTOM)

    left, width, pitch = _columns(comparisons, tasks)
    for index, reference in enumerate(references):
        place = left + index * pitch
        overall = style.panel(figure, place, TOP, width, overall_height)
        below = style.panel(figure, place, TOP + overall_height + GAP, width, tasks_height)
        overall.set_title(f"vs. {method_name(reference)}")
        _draw_overall(overall, comparisons, main_score(study), reference, style.method_styles(methods), index == 0)
        overall.tick_params(axis="x", length=0, labelbottom=False)
        overall.spines["bottom"].set_visible(False)
        rows.set_rows(below, [task_name(task) for task in tasks], index == 0)
        for offset, method in zip(rows.offsets(len(detailed), row_height), detailed, strict=True):
            if reference in comparisons[method]:
                of_tasks = comparisons[method][reference][main_score(study)]["tasks"]
                of_rows, heights = [of_tasks[task] for task in tasks], np.arange(len(tasks)) + offset
                _draw_gains(below, method, style.method_styles(methods)[method], of_rows, heights)
        _share_x(overall, below)
    _label(figure, left, main_score(study))
    style.note(
        figure,
        _marks(comparisons, main_score(study), " (tasks: after Holm's correction)")
        + style.room_for(detailed, methods if not has_many(study) else study.results["methods"]),
    )
    return figure


def all_gains(study: StudyRecord) -> Figure | None:
    """The overall part of `gains` for all methods of a study, coloured and bold where the other figures show them.

    Returns None where `gains` shows all methods.
    """
    comparisons = _comparisons(study, study.results["methods"])
    references = _references(comparisons)
    if not has_many(study) or not references:
        return None
    height = min(ROW * len(comparisons), style.MAX_HEIGHT - TOP - BOTTOM)
    figure = style.new_figure(TOP + height + BOTTOM)
    coloured = style.method_styles(shown_methods(study))
    styles = {method: coloured.get(method, UNSHOWN) for method in comparisons}
    left, width, pitch = _columns(comparisons, [])
    for index, reference in enumerate(references):
        axes = style.panel(figure, left + index * pitch, TOP, width, height)
        axes.set_title(f"vs. {method_name(reference)}")
        _draw_overall(axes, comparisons, main_score(study), reference, styles, index == 0)
        _share_x(axes)
    _label(figure, left, main_score(study))
    style.note(
        figure,
        f"{_marks(comparisons, main_score(study), '')} Bold: also in the other figures.",
    )
    return figure


def _comparisons(study: StudyRecord, methods: Iterable[str]) -> dict[str, Any]:
    """Of the methods, those that are compared with some other, in the study's order.

    Controls other than random dropping are compared with one method each, and have no panel.
    """
    hidden = study.results["controls"].keys() - {*REFERENCES}
    drawn = {
        method: {name: of for name, of in study.results["comparisons"].get(method, {}).items() if name not in hidden}
        for method in methods
    }
    return {method: references for method, references in drawn.items() if references}


def _references(comparisons: dict[str, Any]) -> list[str]:
    """What is compared with: `REFERENCES` first, then what the configuration names for some method."""
    found = {name for of_method in comparisons.values() for name in of_method}
    return [*(name for name in REFERENCES if name in found), *sorted(found - {*REFERENCES})]


def _marks(comparisons: dict[str, Any], score: str, corrected: str) -> str:
    """What lines and marks mean."""
    found = verdicts(comparisons.values(), score)
    if found == {ONE_SEED}:
        return "Line: 95% interval over test images. Hollow: one seed allows no verdict."
    one_seed = ", or one seed" if ONE_SEED in found else ""
    return f"Line: 95% interval. Filled: gain or loss{corrected}; hollow: cannot be told from 0{one_seed}."


def _columns(comparisons: dict[str, Any], tasks: Sequence[str]) -> tuple[float, float, float]:
    """Room for the names to the left, width of a panel, and from a panel to the next, mm."""
    names = [style.BOLD * style.text_width([method_name(method)]) for method in comparisons]
    left = max([*names, *(style.text_width([task_name(task)]) for task in tasks)]) + 3
    pitch = (style.WIDTH - left) / len(_references(comparisons))
    return left, pitch - style.text_width(["+00.00"]) - 2, pitch


def _label(figure: Figure, left: float, score: str) -> None:
    label = f"difference in test {score}, percentage points; right of 0 is better"
    style.write(figure, left, figure.get_figheight() * 25.4 - 4.6, label)


def _draw_overall(
    axes: Axes,
    comparisons: dict[str, Any],
    score: str,
    reference: str,
    styles: dict[str, style.Style],
    labelled: bool,
) -> None:
    """A row per method, whose label shows its colour: the legend of other panels."""
    methods = list(comparisons)
    rows.set_rows(axes, [method_name(method) for method in methods], labelled)
    for row, method in enumerate(methods):
        if labelled:
            axes.get_yticklabels()[row].set(
                color=styles[method].colour, fontweight="normal" if styles[method] == UNSHOWN else "bold"
            )
        if reference in comparisons[method]:
            gain = comparisons[method][reference][score]["overall"]
            _draw_gains(axes, method, styles[method], [gain], np.array([row]))
            text = f"{100 * gain['difference']:+.2f}".replace("-", style.MINUS)
            place = axes.get_yaxis_transform()  # x in axes, y in rows
            axes.text(1.02, row, text, transform=place, va="center", size=style.SMALL)
        if method == reference:
            axes.text(0, row, " reference", va="center", size=style.SMALL, color=style.GREY)


def _draw_gains(
    axes: Axes, method: str, look: style.Style, of_rows: Sequence[dict[str, Any]], heights: np.ndarray
) -> None:
    differences = 100 * np.array([gain["difference"] for gain in of_rows], dtype=float)
    lows, highs = 100 * np.array([gain["interval"] or UNKNOWN for gain in of_rows], dtype=float).T
    told_apart = np.array([is_told_apart(gain) for gain in of_rows])
    axes.hlines(heights, lows, highs, color=look.colour, linewidth=1.0)
    for which, face in ((told_apart, look.colour), (~told_apart, "white")):
        axes.plot(
            differences[which], heights[which], look.marker, color=look.colour, markerfacecolor=face, label=method
        )


def _share_x(*parts: Axes) -> None:
    """One scale for all parts of a panel, and a line at 0."""
    limits = np.array([axes.get_xlim() for axes in parts])
    for axes in parts:
        axes.set_xlim(min(limits.min(), 0), max(limits.max(), 0))
        axes.axvline(0, color=style.INK, linewidth=0.6, zorder=1)
