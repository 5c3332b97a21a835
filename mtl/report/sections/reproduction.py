"""Limits, and what it takes to do it again: command, versions, hardware, time."""

from mtl.record.paths import CONFIG, RESULTS, run_file
from mtl.record.reading import StudyRecord
from mtl.report.images import DRAWN, OTHER, kind
from mtl.report.names import method_name
from mtl.report.quote import quote, raw, table, words
from mtl.report.shown import dropping_methods, has_many
from mtl.report.terms import has_faces

FEW_SEEDS = 3


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    made_by = study.results["provenance"]
    commands = "\n\n".join(f"#par(justify: false, {raw(command)[1:-1]})" for command in made_by["commands"])
    revisions, devices, versions = (", ".join(made_by[name]) for name in ("revisions", "devices", "versions"))
    columns = [
        ("seeds", "seed", "integer", 0),
        ("best epoch", "best_epoch", "integer", 0),
        ("minutes", "train_seconds", "minutes", 1),
        ("images per second", "images_per_second", "integer", 0),
    ]
    runs = [["", *(title for title, *_ in columns)]]
    for method, of_method in study.runs.items():
        files = [run_file(method, seed, RESULTS) for seed in of_method]
        cells = [
            ", ".join(quote(study, file, path, kind, digits) for file in files) for _, path, kind, digits in columns
        ]
        runs.append([words(method_name(method)), *cells])
    limits = "\n".join(f"- {line}" for line in _limits(study))
    return f"""= Limits

{limits}

= To do it again

The runs were trained by

{commands}

Source revision {words(revisions)}, on {words(devices)}, with {words(versions)}. Each run's folder holds its whole
configuration. Minutes are wall time of training and validation on a machine that may have done other work meanwhile.

{table(runs, "The runs of each method, seed by seed.", may_break=has_many(study))}
"""


def _limits(study: StudyRecord) -> list[str]:
    return [*_of_methods(study), *_of_data(study)]


def _of_methods(study: StudyRecord) -> list[str]:
    """What limits the comparison of the methods of this study."""
    limits = []
    if len(study.results["methods"]) > 1:
        but = " but for what a variant names" if study.config["config"]["study"]["variants"] else ""
        limits.append(
            f"The hyper-parameters are the same for all methods{but}; none was tuned per method, and tuning each might "
            "change the order."
        )
    if dropping_methods(study):
        limits.append(
            "The paper's values of $lambda$ and $beta$ were not available; those used here are the configuration's."
        )
    num_seeds = {len(seeds) for seeds in study.results["seeds"].values()}
    if 1 in num_seeds:
        limits.append(
            f"{'Every method has' if num_seeds == {1} else 'Some methods have'} one seed: what is said of "
            f"{'a method' if num_seeds == {1} else 'them'} holds for those networks, not for the method in general."
        )
    elif min(num_seeds) <= FEW_SEEDS:
        limits.append("The seeds are few, so the variance over seeds is itself known only roughly.")
    if all(run.results["best_epoch"] == len(run.epochs) for of in study.runs.values() for run in of.values()):
        limits.append("The last epoch is the best of every run: with more epochs the order may be another.")
    return limits


def _of_data(study: StudyRecord) -> list[str]:
    """What limits the data of this study."""
    if not has_faces(study):
        number = quote(study, RESULTS, "split_sizes/train", "integer")
        return [f"There are {number} training images: with more of them the order of the methods may be another."]
    images, noise = kind(study), study.config["config"]["data"]["label_noise"]
    if images == DRAWN:
        flipped = quote(study, CONFIG, "config/data/label_noise", "percent", 0)
        labels = (
            f"{flipped} % of the labels were flipped at random."
            if noise
            else "The labels are those that they were drawn from."
        )
        return [f"The faces are drawn: nothing here says how the methods compare on photographs. {labels}"]
    noisy = "The labels of CelebA are noisy: few of its attributes reach 95 % agreement between annotators (Wu et al. 2023)."
    if images == OTHER:
        number = quote(study, RESULTS, "split_sizes/train", "integer")
        return [
            f"There are {number} training images: with more of them, or others, the order of the methods may be another.",
            f"Whose labels these are, the files do not say. {noisy}",
        ]
    return [noisy]
