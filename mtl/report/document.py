"""The report as Typst source: what the runs wrote, in the order in which a paper tells it."""

from collections.abc import Callable

from mtl.report.quote import words
from mtl.report.record import StudyRecord
from mtl.report.sections import data, diagnostics, reproduction, schedule, scores, setting, summary
from mtl.report.style import method_name
from mtl.report.typeset import with_template

Section = Callable[[StudyRecord, dict[str, str]], str]
SECTIONS: tuple[Section, ...] = tuple(
    module.section for module in (summary, data, setting, scores, schedule, diagnostics, reproduction)
)


def document(study: StudyRecord, figures: dict[str, str]) -> str:
    """The source of report.pdf.

    Args:
      study: what the runs wrote.
      figures: name -> file, relative to the PDF's folder.
    """
    methods = ", ".join(method_name(method) for method in study.results["methods"])
    body = "\n\n".join(section(study, figures) for section in SECTIONS)
    return with_template("Several face attributes from one network", words(methods), body)
