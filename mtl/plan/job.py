"""The job: runs, hours, and the gain that a study can find, in a few lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.data.load import prepare_table
from mtl.data.table import SPLITS, Table
from mtl.plan.pace import measure_step, seconds_of
from mtl.statistics.markdown import markdown
from mtl.statistics.power import Design, find_gain, power_of_equality
from mtl.training.provenance import device_name
from mtl.training.run import finished
from mtl.training.settings import RunSettings, StudySettings

POWER = 0.8


class Assumed(NamedTuple):
    """What is taken for known: `config.study.plan`.

    Attributes:
      seed_spread, image_spread: see `power.Design`, percentage points.
      images_per_second: of joint training; 0: a few steps of each method are measured here.
    """

    seed_spread: float
    image_spread: float
    images_per_second: float


def plan(settings: StudySettings, workdir: Path, assumed: Assumed) -> str:
    """What the study takes and what it finds.

    Args:
      settings: of the study.
      workdir: where it will be written; runs that are finished there are not counted in hours.
      assumed: see there.

    Raises:
      UserError: for a mistake in the settings or the data, or if SciPy is missing.
    """
    table = prepare_table(settings.runs[0].data)
    num_images = {name: int((table.split == index).sum()) for index, name in enumerate(SPLITS)}
    missing = [run for run in settings.runs if finished(run, workdir) is None]
    names = list(dict.fromkeys(run.name for run in settings.runs))
    where = "with what was given"
    seconds: dict[str, float] = {}
    for name in names:
        run = next(run for run in settings.runs if run.name == name)
        pace = assumed.images_per_second
        if not pace:
            prepared, step = measure_step(run)
            pace, where = run.train.batch_size / step, device_name(prepared.device)
        seconds[name] = seconds_of(run, num_images, pace)
    hours = sum(seconds[run.name] for run in missing) / 3600
    return "\n\n".join(
        [
            f"{len(settings.runs)} runs, {len(missing)} of them still to be trained: {hours:.1f} hours one after the "
            f"other ({where}).",
            _pace_table(names, settings.runs, missing, seconds),
            "\n".join(_power(settings, table, num_images, assumed)),
        ]
    )


def _pace_table(
    names: Sequence[str], runs: Sequence[RunSettings], missing: Sequence[RunSettings], seconds: dict[str, float]
) -> str:
    rows = [["method", "runs", "to be trained", "minutes each"]]
    for name in names:
        counts = [str(sum(run.name == name for run in of)) for of in (runs, missing)]
        rows.append([name, *counts, f"{seconds[name] / 60:.1f}"])
    return markdown(rows)


def _power(settings: StudySettings, table: Table, num_images: dict[str, int], assumed: Assumed) -> list[str]:
    given = settings.raw["study"]
    num_folds, margin = given["folds"], given["margin"]
    num_units = num_folds or len({run.seed for run in settings.runs})
    overlap = num_images["test"] / num_images["train"] if num_folds else 0.0
    pairs = [entry for entries in given["comparisons"] for entry in entries.split(",") if entry.strip()]
    num_comparisons = max(1, len(pairs) or len({run.name for run in settings.runs}) - 1)
    who = table.identity[table.split == SPLITS.index("test")]
    people = f" of {len(np.unique(who[who >= 0])):,} people" if (who >= 0).any() else ""
    units = (
        f"{num_units} fold{'s' if num_units > 1 else ''}"
        if num_folds
        else f"{num_units} seed{'s' if num_units > 1 else ''}"
    )
    lines = [
        f"{units}, each tested on {num_images['test']:,} images{people}; assumed: {assumed.seed_spread:g} points over "
        f"seeds and {assumed.image_spread:g} over images (study.plan).",
    ]
    if num_units < 2:
        return [*lines, "One seed gets no verdict: this study can find no gain, however large."]
    design = Design(num_units, num_images["test"], overlap, assumed.seed_spread / 100, assumed.image_spread / 100)
    least, most = (100 * find_gain(of, POWER) for of in (design, design._replace(num_comparisons=num_comparisons)))
    corrected = (
        f", {most:.2f} where it is the first of {num_comparisons} comparisons (Holm)" if num_comparisons > 1 else ""
    )
    return [
        *lines,
        f"A true gain of {least:.2f} points in mean accuracy is found in {POWER:.0%} of such studies{corrected}.",
        f"Two equal methods are found equal within {margin:g} points in {power_of_equality(design, margin / 100):.0%}.",
    ]


def read_assumed(given: dict[str, Any]) -> Assumed:
    """`config.study.plan`.

    >>> read_assumed({"seed_spread": 0.15, "image_spread": 10.0, "images_per_second": 0.0}).image_spread
    10.0
    """
    return Assumed(**given)
