"""The figures of a study's report: vectors, as wide as the text of an A4 page."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from mtl.record.atomic import writing
from mtl.record.reading import StudyRecord
from mtl.report import style
from mtl.report.figures.accuracy import accuracy, balance
from mtl.report.figures.calibration import calibration
from mtl.report.figures.confusion import confusion
from mtl.report.figures.curves import learning_curves, task_curves
from mtl.report.figures.faces import faces, mistakes, saliency
from mtl.report.figures.gains import all_gains, gains
from mtl.report.figures.gradients import gradients
from mtl.report.figures.kinds import class_confusion, scatter
from mtl.report.figures.schedule import activation, gates, metrics
from mtl.report.shown import dropping_methods

OF_STUDY: dict[str, Callable[[StudyRecord], Figure | None]] = {
    "all_gains": all_gains,
    "gains": gains,
    "accuracy": accuracy,
    "balance": balance,
    "gates": gates,
    "learning_curves": learning_curves,
    "task_curves": task_curves,
    "confusion": confusion,
    "class_confusion": class_confusion,
    "scatter": scatter,
    "calibration": calibration,
    "gradients": gradients,
    "faces": faces,
    "mistakes": mistakes,
    "saliency": saliency,
}
OF_METHOD: dict[str, Callable[[StudyRecord, str], Figure]] = {"activation": activation, "metrics": metrics}
WITH_IMAGES = ("faces", "mistakes", "saliency")  # these never go into the repository


def draw_figures(study: StudyRecord, folder: Path) -> dict[str, Path]:
    """Draws all figures that the study has data for, as SVG.

    Args:
      study: see `mtl.record.reading.read_study`.
      folder: where the files go; made if it is not there.

    Returns:
      Name of the figure -> its file. Figures of one method are called activation_<method> and metrics_<method>.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with rc_context(style.RC):
        return {name: style.save(figure, folder / f"{name}.svg") for name, figure in _drawn(study)}


def draw_images(study: StudyRecord) -> dict[str, bytes]:
    """Draws those figures that show no face: name -> PNG."""
    with rc_context(style.RC):
        return {name: style.png(figure) for name, figure in _drawn(study, leaving_out=WITH_IMAGES)}


def _drawn(study: StudyRecord, leaving_out: Collection[str] = ()) -> Iterator[tuple[str, Figure]]:
    for name, draw in OF_STUDY.items():
        figure = None if name in leaving_out else draw(study)
        if figure is not None:
            yield name, figure
    for method in dropping_methods(study):
        for name, draw_method in OF_METHOD.items():
            yield f"{name}_{method}", draw_method(study, method)
