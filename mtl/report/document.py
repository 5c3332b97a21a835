"""The report as Typst source: what the runs wrote, in the order in which a paper tells it."""

from collections.abc import Callable

from mtl.record.paths import RESULTS
from mtl.record.reading import StudyRecord
from mtl.report.names import method_name
from mtl.report.quote import quote, words
from mtl.report.sections import data, diagnostics, reproduction, schedule, scores, setting, summary
from mtl.report.shown import has_many
from mtl.report.terms import terms
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
    body = "\n\n".join(section(study, figures) for section in SECTIONS)
    return with_template(_title(study), _subtitle(study), body)


def _title(study: StudyRecord) -> str:
    alone = [*study.results["methods"]] == ["single_task"]
    if terms(study).image != "face":
        return "Several tasks, each from a network of its own" if alone else "Several tasks from one network"
    return "Face attributes, each from a network of its own" if alone else "Face attributes from one network"


def _subtitle(study: StudyRecord) -> str:
    if has_many(study):
        return f"{quote(study, RESULTS, 'methods', 'count')} methods"
    return words(", ".join(method_name(method) for method in study.results["methods"]))
