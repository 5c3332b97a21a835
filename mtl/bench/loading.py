"""Part c: images into the step, against torchvision's CelebA and a DataLoader with as many workers as cores."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mtl.batch import Batch
from mtl.bench import ours, textbook
from mtl.bench.handwritten import make_stacked
from mtl.bench.official import lay_out_images
from mtl.bench.settings import BenchSettings, Effort
from mtl.bench.table import Row
from mtl.bench.timing import Contestant, Quartiles, Step, quartiles, synchronize, take_turns
from mtl.data.batches import train_batches
from mtl.data.load import DataSettings, load_pack
from mtl.data.pack import Pack
from mtl.models.images import augment_and_normalize

TORCHVISION, OURS = "torchvision.datasets.CelebA and DataLoader", "pack"
NORMALIZED = "pack, flips, shifts and normalisation"
LEGEND = (
    "torchvision: loose files, Resize, ToTensor, Normalize, a worker per core. Ours: packed once; what is read are "
    "8-bit pixels, which our step flips, shifts and normalises (torchvision's side does without flips and shifts), so "
    "there is a row with that work too. An epoch counts from the iterator's making to its last batch. Files are in the "
    "page cache. Waiting: for the next batch, after the first."
)


class Size(NamedTuple):
    """How much is measured.

    Attributes:
      num_images: of all splits, at most.
      num_steps: of training that are watched, at most.
      num_times: that the first batch is waited for, and training watched.
      effort: of the epochs without training.
      recipe: network, size of images and batch.
    """

    num_images: int
    num_steps: int
    num_times: int
    effort: Effort
    recipe: textbook.Recipe = textbook.Recipe()


SIZES = {
    "short": Size(4_000, 24, 1, Effort(num_warmup=1, min_rounds=2)),
    "full": Size(1_000_000, 1_000_000, 3, Effort(num_warmup=1, min_rounds=5)),
}


class Waits(NamedTuple):
    """Seconds of a stretch of training: until the first batch, then waiting for others, and in all after the first."""

    first: float
    waiting: float
    later: float


def run(settings: BenchSettings) -> dict[str, Any]:
    """Rates, the way to the first batch, and what training waits for."""
    size, device = SIZES[settings.form], settings.device
    with tempfile.TemporaryDirectory() as folder:
        data = lay_out_images(settings.data, Path(folder), size.num_images)
        data = data._replace(image_size=size.recipe.image_size)
        tables = {
            "Time to the first batch": first_batches(data, device, size),
            "Images per second": rates(data, device, size),
            "Training": training(data, device, size),
        }
    return {"legend": LEGEND, "tables": tables}


def first_batches(data: DataSettings, device: torch.device, size: Size) -> list[Row]:
    """What packing takes once, and the first batch with lists to read and nothing else prepared."""
    recipe = size.recipe
    pack_seconds, warm, theirs = [], [], []
    for _ in range(size.num_times):
        shutil.rmtree(data.cache, ignore_errors=True)
        began = time.perf_counter()
        pack = load_pack(data)
        pack_seconds.append(time.perf_counter() - began)
        warm.append(_to_first(lambda: our_batches(load_pack(data), recipe, device)))
        theirs.append(_to_first(lambda: textbook.make_loader(data.root, "train", recipe, device)))
    found = {
        "pack: reading lists and packing": pack_seconds,
        "pack: first batch, packed before": warm,
        f"{TORCHVISION}: first batch": theirs,
    }
    num_images = len(pack.images_NCHW)
    return [{"what": what, "images": num_images, "seconds": _spread(values)} for what, values in found.items()]


def rates(data: DataSettings, device: torch.device, size: Size) -> list[Row]:
    """Whole epochs without training, in turns."""
    recipe = size.recipe
    pack, loader = load_pack(data), textbook.make_loader(data.root, "train", recipe, device)
    num_images = len(loader) * recipe.batch_size
    epochs: dict[str, Callable[[], Iterable[Any]]] = {
        TORCHVISION: lambda: (images.to(device) for images, _ in loader),
        OURS: lambda: our_batches(pack, recipe, device),
        NORMALIZED: lambda: (
            augment_and_normalize(batch.inputs, batch.augmentation) for batch in our_batches(pack, recipe, device)
        ),
    }
    contestants = {name: Contestant(partial(_exhausting, epoch)) for name, epoch in epochs.items()}
    found = take_turns(contestants, TORCHVISION, device, size.effort)
    return [
        {
            "loader": name,
            "pixels": recipe.image_size,
            "batch": recipe.batch_size,
            "images of an epoch": num_images,
            "images/s": quartiles(num_images / timed.seconds_R),
            "times as fast as torchvision": quartiles(timed.yardstick_R / timed.seconds_R),
            "rounds": len(timed.seconds_R),
        }
        for name, timed in found.items()
    ]


def training(data: DataSettings, device: torch.device, size: Size) -> list[Row]:
    """Steps on what each loader gives, in turns: the hand-written network on torchvision's, ours on ours."""
    recipe = size.recipe
    pack, loader = load_pack(data), textbook.make_loader(data.root, "train", recipe, device)
    num_tasks = len(pack.table.attributes)
    case = ours.Case(recipe.backbone, num_tasks, recipe.batch_size, recipe.image_size)
    train_ours = ours.make_trainer(ours.make_network(case, device), (recipe.batch_size, *pack.images_NCHW.shape[1:]))
    train_theirs = textbook.make_trainer(make_stacked(recipe.backbone, num_tasks, device), recipe.learning_rate, device)
    stretches: dict[str, Callable[[], Waits]] = {
        TORCHVISION: lambda: watch(
            loader, lambda batch: train_theirs(batch[0], batch[1][:, :num_tasks]), size.num_steps, device
        ),
        OURS: lambda: watch(our_batches(pack, recipe, device), train_ours, size.num_steps, device),
    }
    found = [{name: stretch() for name, stretch in stretches.items()} for _ in range(size.num_times)]
    num_steps = min(size.num_steps, len(loader))
    return [
        {
            "loader": name,
            "steps": num_steps,
            "waiting, share of the time": _spread([each[name].waiting / each[name].later for each in found]),
            "first batch, s": _spread([each[name].first for each in found]),
            "images/s": _spread([(num_steps - 1) * case.batch_size / each[name].later for each in found]),
        }
        for name in stretches
    ]


def watch(batches: Iterable[Any], train: Callable[[Any], object], num_steps: int, device: torch.device) -> Waits:
    """Trains on the first batches and sees how long each is waited for.

    Example:
      >>> waits = watch(range(3), lambda batch: time.sleep(0.01), num_steps=2, device=torch.device("cpu"))
      >>> waits.waiting < 0.01 < waits.later
      True
    """
    began = time.perf_counter()
    iterator = islice(iter(batches), num_steps)
    batch = next(iterator)
    first = time.perf_counter() - began
    train(batch)  # warms up
    synchronize(device)
    waiting, began = 0.0, time.perf_counter()
    while True:
        asked = time.perf_counter()
        batch = next(iterator, None)
        waiting += time.perf_counter() - asked
        if batch is None:
            return Waits(first, waiting, time.perf_counter() - began)
        train(batch)
        synchronize(device)


def our_batches(pack: Pack, recipe: textbook.Recipe, device: torch.device) -> Iterator[Batch]:
    """An epoch from the pack; tasks are named as those of the measured networks."""
    names = tuple(f"task_{k}" for k in range(len(pack.table.attributes)))
    renamed = pack._replace(table=pack.table._replace(attributes=names))
    return train_batches(
        renamed, np.flatnonzero(pack.table.split == 0), 0, 1, recipe.batch_size, ours.MAX_SHIFT, device
    )


def _exhausting(epoch: Callable[[], Iterable[Any]]) -> Step:
    def exhaust() -> None:
        for _ in epoch():
            pass

    return exhaust


def _spread(values: list[float]) -> Quartiles:
    return quartiles(np.array(values))


def _to_first(make: Callable[[], Iterable[Any]]) -> float:
    """Seconds until there is a batch; the end of what makes more is not waited for."""
    began = time.perf_counter()
    iterator = iter(make())
    next(iterator)
    return time.perf_counter() - began
