"""The report of a study, from what its runs wrote and without training."""

from pathlib import Path

from mtl.record.paths import FIGURES, REPORT, RESULTS, TABLES, VIDEO
from mtl.record.reading import read_study
from mtl.report.document import document
from mtl.report.figures import draw_figures
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
    (workdir / TABLES).write_text(tables(results) + "\n")
    study = read_study(workdir)
    figures = draw_figures(study, workdir / FIGURES)
    relative = {name: path.relative_to(workdir).as_posix() for name, path in figures.items()}
    typeset(document(study, relative), workdir / REPORT)
    make_video(study, workdir / VIDEO)
    return f"Wrote {workdir}/{REPORT}, {VIDEO}, {FIGURES}/, {RESULTS} and {TABLES}."
