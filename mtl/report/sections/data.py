"""The data, the attributes and why these, and how balanced they are."""

from mtl.data.attributes import FAULTS, PUBLISHED
from mtl.record.reading import StudyRecord
from mtl.report.names import task_name
from mtl.report.quote import figure, quote, table, words


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    first = next(iter(study.runs))
    seed = next(iter(study.runs[first]))
    file = f"{first}/seed_{seed}/results.json"
    data = study.config["config"]["data"]
    rows = [["attribute", "where it is seen", "test images", "positive", "majority guess, %"]]
    for task in study.results["tasks"]:
        rows.append(
            [
                words(task_name(task)),
                words(PUBLISHED[task].region if task in PUBLISHED else "unknown"),
                quote(study, file, f"test/tasks/{task}/count", "integer"),
                quote(study, file, f"test/tasks/{task}/positives", "integer"),
                quote(study, "results.json", f"majority_accuracy/tasks/{task}", "percent", 1),
            ]
        )
    return f"""= Data and attributes

Images are {"the largest centred square" if data["crop"] == "square" else "the whole image"}, resized to
{quote(study, "config.json", "config/data/image_size", "plain")} × {quote(study, "config.json", "config/data/image_size", "plain")} pixels.
Training images are {"mirrored at random and " if data["flip"] else ""}shifted by up to {quote(study, "config.json", "config/data/max_shift", "plain")} pixels.
Always guessing the training split's more frequent answer is right in
{quote(study, "results.json", "majority_accuracy/overall", "percent", 1)} % of the answers, so accuracy alone says little: balanced accuracy,
the mean of the two classes' recalls, stands beside it.

{_choice(study)}

{table(rows, "The attributes on the test split.")}

{figure(figures, "balance", "Share of the test images in which an attribute is present.", True)}
"""


def _choice(study: StudyRecord) -> str:
    tasks = study.results["tasks"]
    if set(tasks) == set(PUBLISHED):
        return "All attributes of CelebA are learned."
    faulty = [task for task in tasks if task in FAULTS]
    text = (
        "The criteria of choice (`--job=attributes` prints the figures behind them): no attribute whose labels were found faulty, that is a "
        "judgement rather than something seen, or that a published network predicts hardly better than a guess; an "
        "informative positive rate; spread over the face and over difficulty; little redundancy between attributes."
    )
    if faulty:
        text += f" Against these criteria stand here: {words(', '.join(map(task_name, faulty)))}."
    return text
