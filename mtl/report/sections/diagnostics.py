"""What the networks do besides their scores: learning curves, confusion, calibration, gradients, faces."""

from mtl.record.paths import RESULTS, run_file
from mtl.record.reading import StudyRecord
from mtl.report.names import method_name
from mtl.report.quote import figure, quote, words
from mtl.report.sections import gradients
from mtl.report.shown import example_run, has_spread, shown_methods, shown_note
from mtl.report.terms import has_binary_alone, main_score, tasks_of, terms


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    band = "; the band spans the seeds" if has_spread(study) else ""
    mean = ", mean over seeds" if has_spread(study) else ""
    return f"""= Learning curves

{figure(figures, "learning_curves", f"Training loss, mean over tasks, and validation scores per epoch{band}.{shown_note(study)}")}
{figure(figures, "task_curves", f"Validation {main_score(study)} of each task per epoch{mean}.{shown_note(study)}", True)}

{_confusion(study, figures)}

{gradients.section(study, figures)}

{_faces(study, figures)}
"""


def _confusion(study: StudyRecord, figures: dict[str, str]) -> str:
    shown = words(method_name("dst" if "dst" in study.runs else next(iter(study.runs))))
    seeds, note = ", all seeds together" if has_spread(study) else "", shown_note(study)
    errors = ", ".join(
        f"{words(method_name(method))} "
        f"{quote(study, RESULTS, f'calibration/{method}/overall/expected_calibration_error', 'percent', 1)}"
        for method in shown_methods(study)
    )
    right = "how often the attribute is there" if has_binary_alone(study) else "how often that is so"
    share = "images with the attribute" if has_binary_alone(study) else "answers that are so"
    calibrated = (
        f"The expected calibration error is the mean gap between a predicted probability and {right}, weighted by how "
        f"many predictions\nfall into each of ten bins (Naeini et al. 2015), in per cent: {errors}."
    )
    has_probabilities = tasks_of(study, "binary") or tasks_of(study, "classes")
    reliability = f"Reliability: share of {share} against the predicted probability.{note}"
    return f"""= {"Confusion and calibration" if has_probabilities else "Errors"}

{calibrated if has_probabilities else ""}

{figure(figures, "confusion", f"Confusion of {shown} per task: shares of each true class{seeds}.")}
{figure(figures, "class_confusion", f"Confusion of {shown} between the classes of a task: shares of each true class{seeds}.")}
{figure(figures, "scatter", f"What {shown} says of a number against its label, in the unit of the table: some test images of one seed; on the line both are equal.")}
{figure(figures, "calibration", reliability) if has_probabilities else ""}"""


def _faces(study: StudyRecord, figures: dict[str, str]) -> str:
    run = example_run(study)
    if "faces" not in figures or run is None:
        return ""
    method, number = run.results["method"], run.results["seed"]
    seed = quote(study, run_file(method, number, RESULTS), "seed", "integer")
    has_none = any(of_task.get("accuracy") == 1 for of_task in run.results["test"]["tasks"].values())
    but = "; where a task has none, a right one" if has_none else ""
    but += "; of a number, with the largest error" if tasks_of(study, "regression") else ""
    images = f"{terms(study).image.capitalize()}s"
    return f"""= {images}

{figure(figures, "faces", f"{images} of the test split, picked at random, with what {words(method_name(method))} says of them (seed {seed}).")}
{figure(figures, "mistakes", f"For each task the test image with the most confident wrong answer{but}.")}
{figure(figures, "saliency", "Where a task's logit is sensitive to the pixels: the size of its gradient at the image (Simonyan et al. 2014). This shows what the answer hangs on, not whether it is right.", True)}
"""
