"""Of tasks that are not binary: which class is taken for which, and what was said of a number against its label."""

import numpy as np
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures.cells import SEQUENTIAL, draw_cells, write_cells
from mtl.report.names import method_name, task_name
from mtl.report.terms import tasks_of

MOST_NAMED = 12  # classes whose names and shares are written
TOP, NAMES, SIDE, GAP = 12.0, 16.0, 62.0, 8.0  # mm
PER_CLASS = 14.0  # mm, at most


def shown_method(study: StudyRecord) -> str:
    """DST, or the first method."""
    return "dst" if "dst" in study.results["methods"] else next(iter(study.results["methods"]))


def class_confusion(study: StudyRecord) -> Figure | None:
    """For each task of several classes the share of each true class that was called what; None without such a task.

    Each row sums to 100 per cent; counts are summed over seeds.
    """
    method, tasks = shown_method(study), tasks_of(study, "classes")
    if not tasks:
        return None
    classes = dict(zip(study.results["tasks"], (kind["classes"] for kind in study.results["kinds"]), strict=True))
    side = min(SIDE, PER_CLASS * max(len(classes[task]) for task in tasks))
    figure = style.new_figure(TOP + (side + NAMES + GAP) * -(-len(tasks) // 2))
    title = f"{method_name(method)}: truth in rows, prediction in columns, per cent of the row"
    style.write(figure, 0.5, 3.2, title, weight="bold")
    for index, task in enumerate(tasks):
        left, top = NAMES + (index % 2) * style.WIDTH / 2, TOP + index // 2 * (side + NAMES + GAP)
        axes = style.panel(figure, left, top, side, side)
        shares = normalised(np.array(study.results["confusion"][method][task]["counts"]))
        mesh = draw_cells(axes, shares, SEQUENTIAL, (0.0, 1.15))
        axes.set_xlim(-0.5, len(shares) - 0.5)
        axes.spines[:].set(visible=True, color=style.GREY)
        axes.set_title(task_name(task), fontweight="normal", pad=2.5)
        numbers = range(len(shares))
        if len(shares) <= MOST_NAMED:
            texts = [["-" if np.isnan(share) else f"{100 * share:.0f}" for share in row] for row in shares]
            write_cells(axes, mesh, texts, style.SMALL if len(shares) <= 8 else 5)
            axes.set_xticks(numbers, classes[task], rotation=45, ha="right", size=style.SMALL)
            axes.set_yticks(numbers, classes[task], size=style.SMALL)
    return figure


def scatter(study: StudyRecord) -> Figure | None:
    """For each regression what was said of test images against their labels; None without such a task."""
    method, tasks = shown_method(study), tasks_of(study, "regression")
    if not tasks:
        return None
    side, pitch = 40.0, style.WIDTH / 3
    figure = style.new_figure(TOP + (side + NAMES) * -(-len(tasks) // 3))
    style.write(figure, 0.5, 3.2, f"{method_name(method)}: what was said against the label", weight="bold")
    for index, task in enumerate(tasks):
        axes = style.panel(figure, 11 + index % 3 * pitch, TOP + index // 3 * (side + NAMES), side, side)
        pairs = study.results["scatter"][method][task]
        values = [*pairs["label"], *pairs["said"]]
        ends = (min(values), max(values)) if values else (0.0, 1.0)
        axes.plot(ends, ends, color=style.GREY, linewidth=0.8)
        axes.plot(pairs["label"], pairs["said"], "o", color=style.BAR, markersize=1.6, linestyle="")
        axes.set_title(task_name(task), fontweight="normal", pad=2.5)
        axes.set_xlabel("label")
        axes.set_ylabel("said")
    return figure


def normalised(counts_CC: np.ndarray) -> np.ndarray:
    """Each row's shares; NaN for a class without a test image.

    Example:
      >>> normalised(np.array([[1, 3], [0, 0]]))
      array([[0.25, 0.75],
             [ nan,  nan]])
    """
    totals = counts_CC.sum(axis=1, keepdims=True)
    return np.divide(counts_CC, totals, out=np.full(counts_CC.shape, np.nan), where=totals > 0)
