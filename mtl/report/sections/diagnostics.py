"""What the networks do besides their scores: learning curves, confusion, calibration, gradients, faces."""

from mtl.record.reading import StudyRecord
from mtl.report.names import method_name
from mtl.report.quote import figure, quote, words
from mtl.report.sections import gradients
from mtl.report.shown import shown_methods, shown_note


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    errors = ", ".join(
        f"{words(method_name(method))} "
        f"{quote(study, 'results.json', f'calibration/{method}/overall/expected_calibration_error', 'percent', 1)}"
        for method in shown_methods(study)
    )
    shown = "dst" if "dst" in study.runs else next(iter(study.runs))
    name = words(method_name(shown))
    return f"""= Learning curves

{figure(figures, "learning_curves", f"Training loss, mean over tasks, and validation scores per epoch; the band spans the seeds.{shown_note(study)}")}
{figure(figures, "task_curves", f"Validation accuracy of each task per epoch, mean over seeds.{shown_note(study)}")}

= Confusion and calibration

The expected calibration error is the mean gap between a predicted probability and how often the attribute is there, weighted by how many predictions
fall into each of ten bins (Naeini et al. 2015), in per cent: {errors}.

{figure(figures, "confusion", f"Confusion of {name} per task: shares of each true class, all seeds together.")}
{figure(figures, "calibration", f"Reliability: share of images with the attribute against the predicted probability.{shown_note(study)}")}

{gradients.section(study, figures)}

{_faces(figures, name)}
"""


def _faces(figures: dict[str, str], name: str) -> str:
    if "faces" not in figures:
        return ""
    return f"""= Faces

{figure(figures, "faces", f"Faces of the test split, drawn at random, with what {name} says of them (first seed).")}
{figure(figures, "mistakes", "For each task the test image with the most confident wrong answer.")}
{figure(figures, "evidence", "Where a task's logit is sensitive to the pixels: the size of its gradient at the image (Simonyan et al. 2014). This shows what the answer hangs on, not whether it is right.")}
"""
