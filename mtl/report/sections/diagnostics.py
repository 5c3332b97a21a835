"""What the networks do besides their scores: learning curves, confusion, calibration, gradients, faces."""

from mtl.record.paths import RESULTS, run_file
from mtl.record.reading import StudyRecord
from mtl.report.names import method_name
from mtl.report.quote import figure, quote, words
from mtl.report.sections import gradients
from mtl.report.shown import example_run, has_spread, shown_methods, shown_note


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    errors = ", ".join(
        f"{words(method_name(method))} "
        f"{quote(study, RESULTS, f'calibration/{method}/overall/expected_calibration_error', 'percent', 1)}"
        for method in shown_methods(study)
    )
    shown = "dst" if "dst" in study.runs else next(iter(study.runs))
    seeds, band = (", all seeds together", "; the band spans the seeds") if has_spread(study) else ("", "")
    mean = ", mean over seeds" if has_spread(study) else ""
    return f"""= Learning curves

{figure(figures, "learning_curves", f"Training loss, mean over tasks, and validation scores per epoch{band}.{shown_note(study)}")}
{figure(figures, "task_curves", f"Validation accuracy of each task per epoch{mean}.{shown_note(study)}", True)}

= Confusion and calibration

The expected calibration error is the mean gap between a predicted probability and how often the attribute is there, weighted by how many predictions
fall into each of ten bins (Naeini et al. 2015), in per cent: {errors}.

{figure(figures, "confusion", f"Confusion of {words(method_name(shown))} per task: shares of each true class{seeds}.")}
{figure(figures, "calibration", f"Reliability: share of images with the attribute against the predicted probability.{shown_note(study)}")}

{gradients.section(study, figures)}

{_faces(study, figures)}
"""


def _faces(study: StudyRecord, figures: dict[str, str]) -> str:
    run = example_run(study)
    if "faces" not in figures or run is None:
        return ""
    method, number = run.results["method"], run.results["seed"]
    seed = quote(study, run_file(method, number, RESULTS), "seed", "integer")
    has_none = any(of_task["accuracy"] == 1 for of_task in run.results["test"]["tasks"].values())
    but = "; where a task has none, a right one" if has_none else ""
    return f"""= Faces

{figure(figures, "faces", f"Faces of the test split, picked at random, with what {words(method_name(method))} says of them (seed {seed}).")}
{figure(figures, "mistakes", f"For each task the test image with the most confident wrong answer{but}.")}
{figure(figures, "saliency", "Where a task's logit is sensitive to the pixels: the size of its gradient at the image (Simonyan et al. 2014). This shows what the answer hangs on, not whether it is right.", True)}
"""
