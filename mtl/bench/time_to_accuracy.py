"""Part d: seconds until the textbook recipe first reaches its best validation accuracy, and until ours reaches that."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.bench import textbook
from mtl.bench.official import lay_out_images
from mtl.bench.settings import BenchSettings
from mtl.bench.table import Row
from mtl.bench.textbook import Epoch
from mtl.bench.timing import quartiles
from mtl.data.celeba import read_table
from mtl.data.load import DataSettings, chosen_attributes
from mtl.record.files import read_lines
from mtl.record.paths import METRICS
from mtl.training.loop import fit
from mtl.training.run import prepare
from mtl.training.settings import RunSettings

LEGEND = (
    "The textbook: ResNet-18 with one linear layer for all tasks, Adam 1e-3, batch 64, 64 x 64, no schedule, "
    "torchvision's CelebA, a worker per core. Target: its best mean accuracy on the validation split. Seconds count "
    "from loose files, packing and earlier validations included, to the end of the epoch that reaches the target. The "
    "two take turns, seed by seed."
)
ROUNDING = 1e-9  # of an accuracy: less than any image makes


class Size(NamedTuple):
    """How much is measured: images of all splits, seeds, and how long the textbook trains."""

    num_images: int
    seeds: tuple[int, ...]
    textbook: textbook.Recipe


SIZES = {
    "short": Size(2_000, (0,), textbook.Recipe(num_epochs=3)),
    "full": Size(1_000_000, (0, 1, 2), textbook.Recipe()),
}


class Ours(NamedTuple):
    """What our recipe did.

    Attributes:
      prepare_seconds: reading lists, packing, building the network.
      epochs: seconds in training and validation since then, and accuracy.
      seconds: the whole run, its test too.
    """

    prepare_seconds: float
    epochs: list[Epoch]
    seconds: float


def run(settings: BenchSettings) -> dict[str, Any]:
    """A row for each seed, and one for all."""
    size = SIZES[settings.form]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = lay_out_images(settings.data, root / "images", size.num_images)
        rows = [measure(settings, data, root / f"seed_{seed}", seed, size.textbook) for seed in size.seeds]
    return {"legend": LEGEND, "tables": {"Time to accuracy": [*rows, summarize(rows)]}}


def measure(settings: BenchSettings, data: DataSettings, folder: Path, seed: int, recipe: textbook.Recipe) -> Row:
    """The textbook, then ours, from the same files."""
    table = read_table(data.root)
    columns = [table.attributes.index(name) for name in chosen_attributes(data, table)]
    theirs = list(textbook.train_epochs(data.root, columns, seed, recipe, settings.device))
    target = max(epoch.accuracy for epoch in theirs)
    ours = train_ours(settings.recipe, data, folder, seed)
    their_seconds, our_seconds = first_to_reach(theirs, target), first_to_reach(ours.epochs, target)
    assert their_seconds is not None, "the target is one of its own accuracies"
    total = None if our_seconds is None else ours.prepare_seconds + our_seconds
    return {
        "seed": str(seed),
        "training images": int((table.split == 0).sum()),
        "K": len(columns),
        "target, %": 100 * target,
        "textbook, s": their_seconds,
        "ours, s": total,
        "ours / textbook": None if total is None else total / their_seconds,
        "ours to prepare, s": ours.prepare_seconds,
        "textbook, epochs": len(theirs),
        "ours, epochs": len(ours.epochs),
        "ours at its best, %": 100 * max(epoch.accuracy for epoch in ours.epochs),
        "ours, whole run, s": ours.seconds,
    }


def train_ours(recipe: RunSettings, data: DataSettings, folder: Path, seed: int) -> Ours:
    """Trains the recipe on those images; nothing is packed before."""
    of_files = recipe.data._replace(name=data.name, root=data.root, cache=folder / "cache")
    settings = recipe._replace(seed=seed, data=of_files)
    began = time.perf_counter()
    run_of_ours, _ = prepare(settings, folder)
    prepare_seconds = time.perf_counter() - began
    fit(settings, folder)
    lines = [line for line in read_lines(run_of_ours.folder / METRICS) if line["kind"] == "epoch"]
    epochs = [Epoch(line["seconds"], line["valid"]["overall_accuracy"]) for line in lines]
    return Ours(prepare_seconds, epochs, time.perf_counter() - began)


def first_to_reach(epochs: Sequence[Epoch], target: float) -> float | None:
    """Seconds at the end of the first epoch that is as good as the target; None if none is.

    Example:
      >>> first_to_reach([Epoch(10.0, 0.7), Epoch(20.0, 0.9), Epoch(30.0, 0.8)], target=0.8)
      20.0
    """
    return next((epoch.seconds for epoch in epochs if epoch.accuracy > target - ROUNDING), None)


def summarize(rows: Sequence[Row]) -> Row:
    """The median over seeds, with quartiles; of ratios only where ours reached the target, and how many did.

    Example:
      >>> summarize([{"seed": "0", "ours / textbook": 0.5, "K": 8}, {"seed": "1", "ours / textbook": None, "K": 8}])
      {'seed': 'all: 1 of 2 reached it', 'ours / textbook': {'median': 0.5, 'quartile_1': 0.5, 'quartile_3': 0.5}}
    """
    ratios = [row["ours / textbook"] for row in rows if row["ours / textbook"] is not None]
    spread = quartiles(np.array(ratios)) if ratios else None
    return {"seed": f"all: {len(ratios)} of {len(rows)} reached it", "ours / textbook": spread}
