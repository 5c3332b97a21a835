"""Limits, and what it takes to do it again: command, versions, hardware, time."""

from mtl.record.reading import StudyRecord
from mtl.report.names import method_name
from mtl.report.quote import quote, raw, table, words
from mtl.report.shown import has_many


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
        files = [f"{method}/seed_{seed}/results.json" for seed in of_method]
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
    limits = [
        "The hyper-parameters were set for joint training and are the same for all methods; tuning each might change the order.",
        "The paper's values of $lambda$ and $beta$ were not available; those used here are our choice.",
        "There is no correction over methods: with many of them, one may stand out by chance.",
        "The labels are noisy; no network can agree with them beyond the annotators' own agreement.",
    ]
    if min(len(seeds) for seeds in study.results["seeds"].values()) == 1:
        limits.append(
            "Some methods have one seed: what is said of them holds for those networks, not for the method in general."
        )
    if study.config["config"]["data"]["name"] == "faces":
        limits.append("The faces are drawn: nothing here says how the methods compare on photographs.")
    elif study.results["split_sizes"]["train"] < 162770:
        limits.append("The training split is a small part of CelebA: with all of it, the order may be another.")
    return limits
