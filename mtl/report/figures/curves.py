"""Learning curves of every method: mean over seeds, with a band from the lowest to the highest seed."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtl.metrics import overall
from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.names import method_name, task_name
from mtl.report.shown import shown_methods
from mtl.report.terms import main_score, tasks_of

Line = dict[str, Any]  # an epoch's line of metrics.jsonl


def learning_curves(study: StudyRecord) -> Figure:
    """Training loss (mean over tasks), the validation score that all tasks have and balanced accuracy per epoch."""
    unit = "" if tasks_of(study, "regression") else ", nats"
    panels: dict[str, Callable[[Line], float | None]] = {
        f"training loss{unit}": lambda line: float(np.mean(list(line["losses"].values()))),
        f"validation {main_score(study)}, %": lambda line: _percent(overall(line["valid"])),
        "validation balanced accuracy, %": lambda line: _percent(line["valid"]["balanced_accuracy"]),
    }
    figure, top = _figure_with_legend(study, 40 + 10)
    for index, (label, read) in enumerate(panels.items()):
        axes = style.panel(figure, 8 + index * 52, top, 43, 40)
        draw_curves(axes, study, shown_methods(study), read)
        axes.set_title(label, fontweight="normal")
        axes.set_xlabel("epoch")
    style.note(figure, style.room_for(shown_methods(study), study.runs))
    return figure


def task_curves(study: StudyRecord) -> Figure:
    """The validation score that all tasks have per epoch, a panel per task."""
    tasks = study.results["tasks"]
    num_columns = 4 if len(tasks) <= 16 else 6
    width, height, gap_x = (33.0, 22.0, 6.3) if num_columns == 4 else (19.0, 19.0, 7.4)
    pitch = height + 9
    figure, top = _figure_with_legend(study, pitch * -(-len(tasks) // num_columns) + 4)
    for index, task in enumerate(tasks):
        row, column = divmod(index, num_columns)
        axes = style.panel(figure, 6 + column * (width + gap_x), top + row * pitch, width, height)
        draw_curves(axes, study, shown_methods(study), _score_of(task, main_score(study)))
        axes.set_title(task_name(task), fontweight="normal", size=style.FONT_SIZE if num_columns == 4 else 5.5)
        if index + num_columns >= len(tasks):
            axes.set_xlabel("epoch")
    style.note(figure, f"Validation {main_score(study)}, per cent." + style.room_for(shown_methods(study), study.runs))
    return figure


def _figure_with_legend(study: StudyRecord, height: float) -> tuple[Figure, float]:
    """A figure with the methods' legend on top, and where the panels begin, mm."""
    styles = {method_name(method): look for method, look in style.method_styles(shown_methods(study)).items()}
    legend_height = style.legend_layout(list(styles))[1]
    figure = style.new_figure(legend_height + 5 + height)
    style.legend(figure, styles)
    return figure, legend_height + 5


def draw_curves(axes: Axes, study: StudyRecord, methods: Iterable[str], read: Callable[[Line], float | None]) -> None:
    """A line per method, all of them shown ones, of what `read` finds in each epoch's line of metrics.jsonl."""
    longest, styles = 1, style.method_styles(shown_methods(study))
    for method in methods:
        look = styles[method]
        num_epochs = min(len(run.epochs) for run in study.runs[method].values())
        values_SE = np.array(
            [[read(line) for line in run.epochs[:num_epochs]] for run in study.runs[method].values()], dtype=float
        )
        epochs = [line["epoch"] for line in next(iter(study.runs[method].values())).epochs[:num_epochs]]
        mean_E, every = values_SE.mean(axis=0), max(1, num_epochs // 8)
        axes.plot(epochs, mean_E, look.marker, color=look.colour, linestyle=look.line, markevery=every, label=method)
        if len(values_SE) > 1:
            low_E, high_E = values_SE.min(axis=0), values_SE.max(axis=0)
            axes.fill_between(epochs, low_E, high_E, color=look.colour, alpha=0.15, linewidth=0)
        longest = max(longest, num_epochs)
    axes.set_xlim(0.5, longest + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y")


def _score_of(task: str, score: str) -> Callable[[Line], float | None]:
    return lambda line: _percent(line["valid"]["tasks"][task][score])


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
