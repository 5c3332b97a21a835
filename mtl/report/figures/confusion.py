"""Confusion matrices of all tasks."""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures.cells import SEQUENTIAL, draw_cells, write_cells
from mtl.report.names import method_name, task_name
from mtl.report.terms import tasks_of


def confusion(study: StudyRecord) -> Figure | None:
    """For DST, or the first method: of the test images with and without each attribute, how many were called so.

    Each row sums to 100 per cent; counts are summed over seeds. None where no task is binary.
    """
    of_methods = study.results["confusion"]
    method = "dst" if "dst" in of_methods else next(iter(of_methods))
    tasks = tasks_of(study, "binary")
    if not tasks:
        return None
    num_columns = 4 if len(tasks) <= 8 else 8
    left, top = 13.0, 12.0
    pitch = (style.WIDTH - left) / num_columns
    size = min(pitch - 3.5, 22.0)
    row_pitch = size + 9.5
    figure = style.new_figure(top + row_pitch * -(-len(tasks) // num_columns) + 4)
    title = f"{method_name(method)}: truth in rows, prediction in columns, per cent of the row"
    style.write(figure, 0.5, 3.2, title, weight="bold")
    for index, task in enumerate(tasks):
        row, column = divmod(index, num_columns)
        axes = style.panel(figure, left + column * pitch, top + row * row_pitch, size, size)
        shares = normalised(of_methods[method][task])
        mesh = draw_cells(axes, shares, SEQUENTIAL, (0.0, 1.15))
        axes.set_xlim(-0.5, 1.5)
        texts = [["-" if np.isnan(share) else f"{100 * share:.1f}" for share in of_row] for of_row in shares]
        write_cells(axes, mesh, texts, style.FONT_SIZE if num_columns == 4 else 5.5)
        axes.spines[:].set(visible=True, color=style.GREY)
        name = textwrap.fill(task_name(task), 13) if num_columns == 8 else task_name(task)
        axes.set_title(name, fontweight="normal", size=style.FONT_SIZE if num_columns == 4 else style.SMALL, pad=2.5)
        axes.set_yticks([0, 1], ["present", "absent"] if column == 0 else ["", ""])
        last = index + num_columns >= len(tasks)
        axes.set_xticks(
            [0, 1], ["present", "absent"] if last and size > 18 else ["pres.", "abs."] if last else ["", ""]
        )
    return figure


def normalised(counts: dict[str, int]) -> np.ndarray:
    """Rows present and absent (truth), columns present and absent (prediction): shares of the row, [2, 2]."""
    cells = np.array(
        [
            [counts["true_positives"], counts["false_negatives"]],
            [counts["false_positives"], counts["true_negatives"]],
        ],
        dtype=float,
    )
    totals = cells.sum(axis=1, keepdims=True)
    return np.divide(cells, totals, out=np.full((2, 2), np.nan), where=totals > 0)
