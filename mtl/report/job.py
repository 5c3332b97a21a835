"""The report of a study, from what its runs wrote and without training."""

from pathlib import Path

from mtl.record.reading import read_study
from mtl.report.document import document
from mtl.report.figures import draw_figures
from mtl.report.typeset import typeset
from mtl.report.video import make_video
from mtl.statistics.tables import tables
from mtl.study import write_results


def report(workdir: Path) -> str:
    """Computes the statistics anew and draws everything from them; returns a sentence that says where it is.

    Raises:
      UserError: if there is no finished run, or something of the extra [report] is missing.
    """
    results = write_results(workdir, with_comparisons=True)
    (workdir / "tables.md").write_text(tables(results) + "\n")
    study = read_study(workdir)
    figures = draw_figures(study, workdir / "figures")
    relative = {name: path.relative_to(workdir).as_posix() for name, path in figures.items()}
    typeset(document(study, relative), workdir / "report.pdf")
    make_video(study, workdir / "demo.mp4")
    return f"Wrote {workdir}/report.pdf, demo.mp4, figures/, results.json and tables.md."
