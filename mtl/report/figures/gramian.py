"""Whether the tasks' gradients agree."""

import numpy as np
from matplotlib.figure import Figure

from mtl.report import style
from mtl.report.figures.cells import DIVERGING, draw_cells, draw_scale
from mtl.report.record import StudyRecord

MAX_TASKS_ABREAST = 16  # above, one matrix takes the whole width


def gramian(study: StudyRecord) -> Figure | None:
    """Cosine between the tasks' gradients at the features in joint training, at the first, middle and last epoch.

    With many tasks only at the last. Returns None without a joint run that measured it.
    """
    run = next(iter(study.runs.get("joint", {}).values()), None)
    lines = [line for line in run.epochs if line.get("gramian") is not None] if run else []
    if not lines:
        return None
    tasks = study.results["tasks"]
    abreast = len(tasks) <= MAX_TASKS_ABREAST
    chosen = sorted({0, (len(lines) - 1) // 2, len(lines) - 1}) if abreast else [len(lines) - 1]
    names = [style.task_name(task) for task in tasks]
    size = style.SMALL
    labels = style.text_width(names, size) + 3
    gap = 3.0
    side = min((style.WIDTH - labels - 14) / len(chosen) - gap, 40.0 if abreast else 118.0)
    figure = style.new_figure(6 + side + labels + 1)
    cosines = [cosine(np.array(lines[index]["gramian"])) for index in chosen]
    largest = np.nanmax(np.abs(cosines), initial=1e-6)
    for column, (index, values) in enumerate(zip(chosen, cosines, strict=True)):
        axes = style.panel(figure, labels + column * (side + gap), 6, side, side)
        mesh = draw_cells(axes, values, DIVERGING, (-largest, largest))
        axes.spines[:].set_visible(True)
        axes.set_facecolor(style.LIGHT)  # the diagonal, and tasks without a gradient
        axes.set_xlim(-0.5, len(tasks) - 0.5)
        axes.set_xticks(range(len(tasks)), names, rotation=90)
        axes.set_yticks(range(len(tasks)), names if column == 0 else [""] * len(tasks))
        axes.set_title(f"epoch {lines[index]['epoch']}")
    draw_scale(style.panel(figure, labels + len(chosen) * (side + gap) + 1, 6, 3, min(side, 40)), mesh, "cosine")
    return figure


def cosine(gramian: np.ndarray) -> np.ndarray:
    """M_ij / sqrt(M_ii M_jj) of inner products M, [K, K]; NaN on the diagonal and for a gradient of 0."""
    norms = np.sqrt(np.diag(gramian))
    products = np.outer(norms, norms)
    values = np.divide(gramian, products, out=np.full(gramian.shape, np.nan), where=products > 0)
    np.fill_diagonal(values, np.nan)
    return values
