"""The data, the attributes and what is to be said of each, and how balanced they are."""

from typing import Any

from mtl.data.attributes import choose_by
from mtl.data.celeba_statistics import read_statistics
from mtl.data.published import FAULTS, PUBLISHED, gain, region
from mtl.kinds import BINARY
from mtl.record.paths import CONFIG, RESULTS, run_file
from mtl.record.reading import StudyRecord
from mtl.report.guess import every_method, not_above
from mtl.report.images import DRAWN, kind
from mtl.report.names import name_in_sentence, task_name
from mtl.report.quote import figure, key, quote, table, words
from mtl.report.shown import shown_methods
from mtl.report.terms import has_binary_alone, has_faces, main_score, tasks_of

MOST_VALUES = 6  # classes that are named
RARE = 0.1  # share of positives, or of negatives, below which an attribute is called rare, or nearly always there


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    if not has_binary_alone(study) or not has_faces(study):
        return _of_table(study, figures)
    return f"""= Data and attributes

{_pixels(study)}

Always guessing the training split's more frequent answer is right in
{quote(study, RESULTS, "majority_accuracy/overall", "percent", 1)} % of the answers on the test split: accuracy is to be read against that.
Balanced accuracy, the mean of the two classes' recalls, stands beside it.

{_choice(study)}

{_table(study)}

{figure(figures, "balance", "Share of the test images in which an attribute is present.", True)}
"""


def _of_table(study: StudyRecord, figures: dict[str, str]) -> str:
    """The section of a study whose tasks are columns of a table."""
    of_median = " or, of a number, the training split's median," if tasks_of(study, "regression") else ""
    return f"""= Data and tasks

{_pixels(study)}

Always guessing the training split's more frequent answer{of_median} has a mean {main_score(study)} of
{quote(study, RESULTS, "majority_accuracy/overall", "percent", 1)} % on the test split: scores are to be read against that.

{_tasks(study)}

{figure(figures, "balance", "Share of the test images in which a binary task is present.", True)}
"""


def _tasks(study: StudyRecord) -> str:
    """A row per task: what it is, how many test images have a label, and what the guess gets."""
    rows = [["task", "kind", "values", "test images", "guess, %", "remarks"]]
    kinds = study.results.get("kinds", [BINARY._asdict()] * len(study.results["tasks"]))
    for task, kind_of in zip(study.results["tasks"], kinds, strict=True):
        rows.append(
            [
                *(words(task_name(task)), words(kind_of["name"]), words(_values(kind_of))),
                quote(study, _file(study), f"test/tasks/{key(task)}/count", "integer"),
                quote(study, RESULTS, f"majority_accuracy/tasks/{key(task)}", "percent", 1),
                "; ".join(_against_guess(study, task)) or f"{every_method(study)} is above the guess",
            ]
        )
    caption = f"The tasks on the test split; guess: the {main_score(study)} of what the training split suggests."
    return table(rows, caption, (*["auto"] * 5, "1fr"), may_break=True)


def _values(kind_of: dict[str, Any]) -> str:
    if kind_of["name"] == "regression":
        return f"{kind_of['mean']:.4g} ± {kind_of['std']:.3g} in training"
    classes = kind_of["classes"] or ["no", "yes"]
    return ", ".join(classes[:MOST_VALUES]) + (
        f" and {len(classes) - MOST_VALUES} more" if classes[MOST_VALUES:] else ""
    )


def _pixels(study: StudyRecord) -> str:
    """What is done to the images before the network sees them."""
    data = study.config["config"]["data"]
    size = quote(study, CONFIG, "config/data/image_size", "plain")
    shift = quote(study, CONFIG, "config/data/max_shift", "plain")
    changes = ["mirrored at random"] if data["flip"] else []
    changes += [f"shifted at random by up to {shift} pixels"] if data["max_shift"] else []
    changed = f"Training images are {' and '.join(changes)}." if changes else "Training images are shown as they are."
    shown = (
        "the largest centred square of each image" if data["crop"] == "square" else "each image as a whole, squeezed"
    )
    return f"The network sees {shown}, at {size} × {size} pixels. {changed}"


def _choice(study: StudyRecord) -> str:
    """How the attributes came to be chosen, as far as that is known."""
    tasks = study.results["tasks"]
    if {*tasks} == {*PUBLISHED}:
        return f"All {quote(study, RESULTS, 'tasks', 'count')} attributes of CelebA are learned: none was left out."
    statistics = read_statistics()
    chosen = choose_by(statistics.names, statistics.positive_rate_K, statistics.correlation_KK, len(tasks))
    if {*tasks} == {*chosen}:
        return (
            "The attributes are what the criteria of mtl/data/attributes.py choose from the labels of CelebA: none whose "
            "labels were found faulty, that is a judgement rather than something seen, or that a published network "
            "predicts hardly better than a guess; informative positive rates; spread over the face and over "
            "difficulty; little redundancy. #box[`--job=attributes`] prints the figures for the data at hand."
        )
    return "The attributes were named in the configuration."


def _table(study: StudyRecord) -> str:
    """A row per attribute, whose last cell is made from this very data."""
    drawn = kind(study) == DRAWN
    known = [] if drawn else ["published gain"]
    rows = [["attribute", "where it is seen", "test images", "positive", "positive, %", "guess, %", *known, "remarks"]]
    file = _file(study)
    for task in study.results["tasks"]:
        published = [] if drawn else [words(f"{gain(task):+.2f}") if task in PUBLISHED else "--"]
        rows.append(
            [
                words(task_name(task)),
                words(region(task)),
                quote(study, file, f"test/tasks/{key(task)}/count", "integer"),
                quote(study, file, f"test/tasks/{key(task)}/positives", "integer"),
                quote(study, file, f"test/tasks/{key(task)}", "positive_rate", 1),
                quote(study, RESULTS, f"majority_accuracy/tasks/{key(task)}", "percent", 1),
                *published,
                "; ".join(remarks(study, task)),
            ]
        )
    caption = "The attributes on the test split; guess: always the training split's more frequent answer."
    if not drawn:
        caption += (
            " Published gain: what LNets+ANet (Liu et al. 2015) won over that guess on CelebA's test split, all that "
            "could be won being one."
        )
    return table(rows, caption, (*["auto"] * (len(rows[0]) - 1), "1fr"), may_break=True)


def remarks(study: StudyRecord, task: str) -> list[str]:
    """What this data says of an attribute: how frequent it is, its labels' known faults, and who beats the guess."""
    of_task = study.results["majority_accuracy"]["tasks"][task]
    if of_task is None:
        return ["no label in the test split"]
    counts = _counts(study, task)
    share = counts["positives"] / counts["count"]
    found = []
    if share in (0.0, 1.0):
        found.append(f"{'no' if share == 0 else 'every'} test image has it: the test says nothing of it")
    elif share < RARE:
        found.append("rare")
    elif share > 1 - RARE:
        found.append("nearly always present")
    if task in FAULTS and kind(study) != DRAWN:
        found.append(f"in CelebA its labels were found: {words(FAULTS[task])}")
    return found + _against_guess(study, task) or [f"{every_method(study)} is above the guess"]


def _against_guess(study: StudyRecord, task: str) -> list[str]:
    below = not_above(study, task)
    if not below:
        return []
    if len(below) == len(shown_methods(study)):
        return [f"not above the guess: {every_method(study)}"]
    return [f"not above the guess: {words(', '.join(map(name_in_sentence, below)))}"]


def _file(study: StudyRecord) -> str:
    first = next(iter(study.runs))
    return run_file(first, next(iter(study.runs[first])), RESULTS)


def _counts(study: StudyRecord, task: str) -> dict[str, int]:
    return next(iter(next(iter(study.runs.values())).values())).results["test"]["tasks"][task]
