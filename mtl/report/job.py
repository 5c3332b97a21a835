"""The report of a study, from what its runs wrote and without training."""

from pathlib import Path

from mtl.errors import UserError
from mtl.record import tensorboard
from mtl.record.files import write_bytes
from mtl.record.paths import EVENTS, FIGURES, REPORT, RESULTS, TABLES, VIDEO, find_files
from mtl.record.reading import StudyRecord, read_study
from mtl.report.document import document
from mtl.report.figures import draw_figures, draw_images
from mtl.report.typeset import typeset
from mtl.report.video import make_video
from mtl.statistics import write_results
from mtl.statistics.tables import tables


def report(workdir: Path) -> str:
    """Computes the statistics anew and draws everything from them; returns a sentence that says where it is.

    Raises:
      UserError: if there is no finished run, or something of the extra [report] is missing.
    """
    results = write_results(workdir, with_comparisons=True)
    write_bytes(workdir / TABLES, f"{tables(results)}\n".encode())
    study = read_study(workdir)
    figures = draw_figures(study, workdir / FIGURES)
    relative = {name: path.relative_to(workdir).as_posix() for name, path in figures.items()}
    typeset(document(study, relative), workdir / REPORT)
    make_video(study, workdir / VIDEO)
    return f"Wrote {workdir}/{REPORT}, {VIDEO}, {FIGURES}/, {RESULTS} and {TABLES}.{_show_images(study)}"


def _show_images(study: StudyRecord) -> str:
    """Gives TensorBoard the figures that show no face, where it shows the runs; returns a sentence on that, or none."""
    if not find_files(study.folder, EVENTS):
        return ""
    try:
        tensorboard.check_installed()
    except UserError as error:
        return f" TensorBoard gets no figures: {error}."
    tensorboard.write_images(study.folder / FIGURES, draw_images(study))
    return " TensorBoard has the figures too, but those with faces."
