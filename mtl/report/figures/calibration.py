"""How far predicted probabilities can be believed."""

import numpy as np
from matplotlib.figure import Figure

from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures import rows
from mtl.report.names import method_name, task_name
from mtl.report.shown import shown_methods
from mtl.report.terms import has_binary_alone


def calibration(study: StudyRecord) -> Figure | None:
    """Left the reliability diagram over all tasks; right the expected calibration error (ECE) per task.

    None where no task has a probability.
    """
    of_methods = {method: study.results["calibration"][method] for method in shown_methods(study)}
    tasks = [*next(iter(of_methods.values()))["tasks"]]
    if not tasks:
        return None
    styles = style.method_styles(of_methods)
    labels = {
        f"{method_name(method)} {_percent(of_method['overall']):.1f}": styles[method]
        for method, of_method in of_methods.items()
    }
    legend_height = style.legend_layout(list(labels))[1] + 4
    names = [task_name(task) for task in tasks]
    height = max(56.0, 4.0 * len(tasks))
    figure = style.new_figure(legend_height + 3 + height + 10)
    style.write(figure, 0.5, 3, "Expected calibration error over all tasks, per cent:")
    style.legend(figure, labels, 4)

    diagram = style.panel(figure, 9, legend_height + 3, 56, 56)
    diagram.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.6, linestyle=(0, (2, 2)))
    for method, of_method in of_methods.items():
        look, bins = styles[method], of_method["overall"]["bins"]
        x, y = bins["confidence"], bins["accuracy"]
        diagram.plot(x, y, look.marker, color=look.colour, linestyle=look.line, label=method)
    diagram.set(xlim=(0, 1), ylim=(0, 1))
    diagram.set(
        xlabel="predicted probability, mean of bin",
        ylabel="share with the attribute" if has_binary_alone(study) else "share that is so",
    )
    diagram.grid()

    left = 74 + style.text_width(names) + 3
    axes = style.panel(figure, left, legend_height + 3, style.WIDTH - left - 2, height)
    rows.set_rows(axes, names)
    offsets = rows.offsets(len(of_methods), height / len(tasks))
    for offset, (method, of_method) in zip(offsets, of_methods.items(), strict=True):
        errors = [_percent(of_method["tasks"][task]) for task in tasks]
        axes.plot(
            errors, np.arange(len(tasks)) + offset, styles[method].marker, color=styles[method].colour, label=method
        )
    axes.set_xlim(left=0)
    axes.set_xlabel("expected calibration error, %")
    style.note(figure, style.room_for(of_methods, study.results["methods"]))
    return figure


def _percent(of_task: dict[str, float | None]) -> float:
    error = of_task["expected_calibration_error"]
    return float("nan") if error is None else 100 * error
