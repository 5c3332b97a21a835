"""Whether the tasks' gradients agree: their cosines over time, and how often they conflict."""

import numpy as np
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.conflicts import measured_levels, measured_methods, measured_run, read
from mtl.report.figures.cells import DIVERGING, draw_cells, draw_scale
from mtl.report.figures.curves import Line, draw_curves
from mtl.report.names import method_name, task_name
from mtl.report.shown import shown_methods

MAX_TASKS = 16  # of a matrix whose names can be read
MIN_SIDE, MIN_CELL = 18.0, 2.3  # of a matrix and of its cells, mm
ABOVE, GAP, SCALE = 10.0, 3.0, 14.0  # above a row of matrices, between them, and for the scale to their right, mm
SHARES = 30.0  # height of the panel of conflicts, mm


def gradients(study: StudyRecord) -> Figure | None:
    """Cosines between the tasks' gradients at some epochs, and below them how often those of each method conflict.

    A row of matrices for the shared features, and one for the shared parameters where a run measured there. Returns
    None without a run that measured.
    """
    levels = measured_levels(study)
    if not levels:
        return None
    tasks = _shown_tasks(study, levels[0])
    methods = [method for method in measured_methods(study, levels[0]) if method in shown_methods(study)]
    styles = {method_name(m): look for m, look in style.method_styles(shown_methods(study)).items() if m in methods}
    left, side, _ = _layout(study, tasks)
    row_height = ABOVE + side + left
    legend_top = row_height * len(levels) + 2
    shares_top = legend_top + style.legend_layout(list(styles))[1] + 5
    figure = style.new_figure(shares_top + SHARES + 11)
    for row, level in enumerate(levels):
        _draw_row(figure, row * row_height, study, level, tasks)
    style.legend(figure, styles, legend_top)
    axes = style.panel(figure, 8, shares_top, style.WIDTH - 9, SHARES)
    draw_curves(axes, study, methods, lambda line: _percent_conflicting(line, levels[0]))
    axes.set_title(f"share of conflicts at the {levels[0]}, mean over pairs of tasks, %", fontweight="normal")
    axes.set_xlabel("epoch")
    style.note(figure, _note(len(tasks), len(study.results["tasks"])))
    return figure


def _draw_row(figure: Figure, top: float, study: StudyRecord, level: str, tasks: list[int]) -> None:
    """The cosines of one run at one level: matrices from the first epoch to the last, on one scale."""
    method, seed = measured_run(study, level)
    lines = study.runs[method][seed].epochs
    left, side, most = _layout(study, tasks)
    chosen = sorted({round(place) for place in np.linspace(0, len(lines) - 1, most)})
    cosines = [read(lines[index], level, "cosines")[np.ix_(tasks, tasks)] for index in chosen]
    largest = max(np.nanmax(np.abs(values), initial=1e-6) for values in cosines)
    names = [task_name(study.results["tasks"][task]) for task in tasks]
    style.write(figure, left, top + 3, f"shared {level}: {method_name(method)}, seed {seed}", weight="bold")
    for column, (index, values) in enumerate(zip(chosen, cosines, strict=True)):
        axes = style.panel(figure, left + column * (side + GAP), top + ABOVE - 2, side, side)
        mesh = draw_cells(axes, values, DIVERGING, (-largest, largest))
        axes.spines[:].set_visible(True)
        axes.patch.set(hatch="///////", facecolor="white", edgecolor=style.LIGHT)  # shows where a cell is empty
        axes.set_xlim(-0.5, len(tasks) - 0.5)
        axes.set_xticks(range(len(tasks)), names, rotation=90)
        axes.set_yticks(range(len(tasks)), names if column == 0 else [""] * len(tasks))
        axes.set_title(f"epoch {lines[index]['epoch']}", fontweight="normal")
    scale = style.panel(figure, left + len(chosen) * (side + GAP) + 1, top + ABOVE - 2, 3, side)
    draw_scale(scale, mesh, "cosine")


def _layout(study: StudyRecord, tasks: list[int]) -> tuple[float, float, int]:
    """Room for the names, mm; the side of a matrix, mm; and how many matrices fit abreast."""
    left = style.text_width((task_name(study.results["tasks"][task]) for task in tasks), style.SMALL) + 3
    room = style.WIDTH - left - SCALE + GAP
    most = max(1, int(room / (max(MIN_SIDE, MIN_CELL * len(tasks)) + GAP)))
    return left, room / most - GAP, most


def _shown_tasks(study: StudyRecord, level: str) -> list[int]:
    """All tasks, or where there are many those with the largest cosines in the last epoch; numbers, in their order."""
    method, seed = measured_run(study, level)
    cosines_KK = np.nan_to_num(read(study.runs[method][seed].epochs[-1], level, "cosines"))
    largest_K = np.abs(cosines_KK).max(axis=1)
    return sorted(np.argsort(-largest_K, kind="stable")[:MAX_TASKS].tolist())


def _percent_conflicting(line: Line, level: str) -> float | None:
    share = line["conflicting"][level]
    return None if share is None else 100 * share


def _note(num_shown: int, num_tasks: int) -> str:
    blank = "Hatched: the diagonal, and pairs that were not measured."
    if num_shown == num_tasks:
        return blank
    return f"{blank} Shown: the {num_shown} of {num_tasks} tasks with the largest cosines, of either sign, at the end."
