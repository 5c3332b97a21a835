"""How the drop rates came about: activation probabilities, the metrics behind them, and the gates that were drawn."""

from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures.cells import SEQUENTIAL, draw_cells, draw_scale, set_epochs, write_cells
from mtl.report.names import method_name, task_name
from mtl.report.shown import dropping_methods

METRICS = {
    "P_d": ("d", "depth, $P_d$"),
    "P_c": ("c", "sample count, $P_c$"),
    "P_u": ("u", "incompleteness, $P_u$"),
    "P_r": ("r", "stagnancy, $P_r$"),
    "P": ("", "activation probability, $P$"),
}
MAX_WRITTEN = 12  # epochs whose cells hold a number
MAX_TASK_LINES = 10  # lines that can be told apart in one panel
MIN_ROW, MIN_COLUMN = 1.9, 0.8  # of a gate, mm


def activation(study: StudyRecord, method: str) -> Figure:
    """Activation probability P per task and epoch, mean over seeds, with drop rates 1 - P in per cent.

    A cross marks what the first seed's gates dropped.
    """
    P_SKE = _read(study, method, "P")
    P_KE = P_SKE.mean(axis=0)
    num_tasks, num_epochs = P_KE.shape
    names = [task_name(task) for task in study.results["tasks"]]
    left, row = style.text_width(names) + 3, 4.6
    width = min(style.WIDTH - left - 16, 20.0 * num_epochs)
    figure = style.new_figure(6 + row * num_tasks + 13)
    axes = style.panel(figure, left, 6, width, row * num_tasks)
    lowest = min(0.9, np.floor(10 * P_KE.min()) / 10)
    mesh = draw_cells(axes, P_KE, SEQUENTIAL.reversed(), (lowest, 1.0))
    axes.set_yticks(range(num_tasks), names, size=style.FONT_SIZE)
    axes.set_title(f"{method_name(method)}: activation probability")
    set_epochs(axes, num_epochs, width)
    written = num_epochs <= MAX_WRITTEN
    if written:
        write_cells(axes, mesh, [[f"{100 * (1 - p):.0f}" for p in of_task] for of_task in P_KE])
    dropped = np.argwhere(_read(study, method, "G")[0] == 0)
    shift = 0.36 if written else 0.0
    axes.plot(
        dropped[:, 1] + shift,
        dropped[:, 0],
        "x",
        color=style.WRONG,
        markersize=3.5,
        markeredgewidth=1.2,
        label="dropped",
    )
    axes.set_xlim(-0.5, num_epochs - 0.5)
    scale_height = min(row * num_tasks, 30.0)
    draw_scale(style.panel(figure, left + width + 4, 6, 3, scale_height), mesh, "P")
    seeds = "" if len(P_SKE) == 1 else f", mean over {len(P_SKE)} seeds"
    numbers = f"Number: drop rate 1 {style.MINUS} P, per cent{seeds}. " if written else f"Colour: P{seeds}. "
    style.note(figure, f"{numbers}Cross: dropped in that epoch{'' if len(P_SKE) == 1 else ' by the first seed'}.")
    return figure


def metrics(study: StudyRecord, method: str) -> Figure:
    """The metrics that count (lambda > 0) and the activation probability over the epochs, a line per task, first seed.

    With many tasks only those that were dropped most are coloured; the others are thin grey lines.
    """
    run = next(run for run in study.runs[method].values() if run.dst)
    tasks = study.results["tasks"]
    mean_P = {task: np.mean([line["P"][task] for line in run.dst]) for task in tasks}
    coloured = tasks if len(tasks) <= MAX_TASK_LINES else sorted(tasks, key=lambda task: mean_P[task])[:8]
    styles = style.task_styles(coloured)
    labels = {task_name(task): styles[task] for task in coloured}
    legend_height = style.legend_layout(list(labels))[1]
    weights = run.dst[0]["weights"]
    of_paper = {name: given for name, given in METRICS.items() if not given[0] or weights[given[0]] > 0}
    shown = {name: (name, f"{name} (ours), $P$") for name in weights.get("ours", {})} | of_paper
    left, gap, width, height = 7.0, 7.0, 45.5, 30.0
    num_rows = ceil(len(shown) / 3)
    figure = style.new_figure(legend_height + 6 + num_rows * (height + 11) - 2 + (4 if coloured != tasks else 0))
    style.legend(figure, labels)
    epochs = [line["epoch"] for line in run.dst]
    lowest = min(value for line in run.dst for metric in shown for value in _of_metric(line, metric).values())
    for index, (metric, (weight, label)) in enumerate(shown.items()):
        top = legend_height + 6 + (index // 3) * (height + 11)
        axes = style.panel(figure, left + (index % 3) * (width + gap), top, width, height)
        given = f" ($\\lambda_{weight}$ = {weights[weight]:g})" if weight in weights else ""
        if weight in weights.get("ours", {}):
            given = f" ($\\lambda$ = {weights['ours'][weight]:g})"
        axes.set_title(label + given, fontweight="normal", parse_math=True)
        for task in tasks:
            values = [_of_metric(line, metric)[task] for line in run.dst]
            if task in styles:
                look, every = styles[task], max(1, len(epochs) // 10)
                axes.plot(
                    epochs, values, look.marker, color=look.colour, linestyle=look.line, markevery=every, label=task
                )
            else:
                axes.plot(epochs, values, color=style.LIGHT, linewidth=0.5, label=task, zorder=1)
        _set_epoch_axis(axes, epochs)
        axes.set_ylim(max(0.0, lowest - 0.05), 1.05)
        axes.grid(axis="y")
        if index >= len(shown) - 3:
            axes.set_xlabel("epoch")
    if coloured != tasks:
        style.note(figure, f"Coloured: the {len(coloured)} tasks that were dropped most; grey: the others.")
    return figure


def gates(study: StudyRecord) -> Figure | None:
    """Which tasks were on (filled) and dropped (empty) in each epoch, a panel per method and seed.

    Gates that were drawn per step are shaded by the share of steps in which the task was on.
    """
    methods = dropping_methods(study)
    if not methods:
        return None
    names = [task_name(task) for task in study.results["tasks"]]
    gates_of = {method: _read(study, method, "G") for method in methods}
    most_seeds, most_epochs = (max(gates_SKE.shape[axis] for gates_SKE in gates_of.values()) for axis in (0, 2))
    left, gap, top, bottom = style.text_width(names, style.SMALL) + 3, 3.0, 12.0, 7.0
    room = style.WIDTH - left - 2 + gap
    num_seeds = max(1, min(most_seeds, int(room / (most_epochs * MIN_COLUMN + gap))))
    # One method below the other, or abreast where few seeds leave room for it.
    title = style.BOLD * style.text_width(map(method_name, methods)) + gap
    abreast = int(room / max(num_seeds * (max(30.0, 4.0 * most_epochs) + gap), title))
    abreast = max(1, min(len(methods), abreast))
    max_lines = max(1, int((style.MAX_HEIGHT - bottom) / (MIN_ROW * len(names) + top)))
    shown = style.most_important(methods, abreast * max_lines)
    num_lines = ceil(len(shown) / abreast)
    row = min(3.4, ((style.MAX_HEIGHT - bottom) / num_lines - top) / len(names))
    width, height = min(room / (num_seeds * abreast) - gap, 7.5 * most_epochs), row * len(names)
    pitch = max(num_seeds * (width + gap), title)
    figure = style.new_figure((height + top) * num_lines + bottom)
    for index, method in enumerate(shown):
        line, place = index // abreast, left + index % abreast * pitch
        method_top = line * (height + top)
        style.write(figure, place, method_top + 3, method_name(method), weight="bold")
        for seed, gates_KE in list(zip(study.runs[method], gates_of[method], strict=False))[:num_seeds]:
            axes = style.panel(figure, place, method_top + 8, width, height)
            draw_cells(axes, gates_KE, SEQUENTIAL, (0.0, 1.45))
            axes.spines[:].set_visible(True)
            axes.set_yticks(range(len(names)), names if place == left else [""] * len(names))
            axes.tick_params(axis="y", labelsize=min(style.SMALL, 0.9 * row / style.POINT))
            axes.set_title(f"seed {seed}", fontweight="normal")
            set_epochs(axes, gates_KE.shape[1], width)
            axes.set_xlabel("epoch" if line == num_lines - 1 else "")
            place += width + gap
    fewer = f" First {num_seeds} seeds." if num_seeds < most_seeds else ""
    style.note(figure, f"Filled: trained in that epoch; empty: dropped.{fewer}{style.room_for(shown, methods)}")
    return figure


def _read(study: StudyRecord, method: str, field: str) -> np.ndarray:
    """A field of dst.jsonl as an array [seeds, tasks, epochs]; as many epochs as every seed has."""
    accounts = [run.dst for run in study.runs[method].values() if run.dst]
    num_epochs = min(len(lines) for lines in accounts)
    tasks = study.results["tasks"]
    return np.array([[[line[field][task] for line in lines[:num_epochs]] for task in tasks] for lines in accounts])


def _of_metric(line: dict[str, Any], metric: str) -> dict[str, float]:
    """Task -> a metric's probability, the paper's or one of ours."""
    ours = line.get("ours", {})
    return ours[metric]["P"] if metric in ours else line[metric]


def _set_epoch_axis(axes: Axes, epochs: list[int]) -> None:
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
