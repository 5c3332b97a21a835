"""Part e: how time and peak memory grow with K, image size, batch and number of images, as fitted exponents."""

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from mtl.bench import handwritten, memory
from mtl.bench.official import write_official
from mtl.bench.ours import Case, make_ours
from mtl.bench.settings import BenchSettings, Effort
from mtl.bench.table import Row
from mtl.bench.timing import Contestant, Step, quartiles, take_turns
from mtl.data.batches import train_batches
from mtl.data.celeba import Table, read_table
from mtl.data.image_files import ImageSource
from mtl.data.pack import open_pack
from mtl.training.sourcing import Sourcing

LEGEND = (
    "y = c x^p, fitted by least squares in logarithms. Steps: ResNet-18, seconds of a step and the peak less what "
    "imported libraries take; what does not grow, the network and its optimizer, say, makes an exponent small. Images: "
    "alike, of CelebA's size, 64 x 64 in the pack; resident memory counts the pages of the pack that are mapped, which "
    "the system takes back when it needs them."
)
HEIGHT, WIDTH = 218, 178  # pixels, CelebA's
PACKED_SIZE, BATCH_SIZE = 64, 64
CPU = torch.device("cpu")

AT_PARAMETERS = Sourcing("parameters")
STEPS: dict[str, Callable[..., Step]] = {
    "joint": make_ours,
    "upgrad, parameters": partial(make_ours, method_name="upgrad", source=AT_PARAMETERS),
    "hand-written loop": handwritten.make_loop,
}


class Axis(NamedTuple):
    """What grows: a field of the case, from the smallest value up, and whose steps are measured."""

    field: str
    values: tuple[int, ...]
    steps: tuple[str, ...] = ("joint", "hand-written loop")
    base: Case = Case(num_tasks=8, batch_size=32, image_size=32)


class Size(NamedTuple):
    """How much is measured."""

    axes: tuple[Axis, ...]
    nums_images: tuple[int, ...]
    num_processes: int  # for each point of memory and of the number of images
    effort: Effort


ALL = tuple(STEPS)
SIZES = {
    "short": Size(
        (
            Axis("num_tasks", (2, 8, 32), ALL),
            Axis("image_size", (32, 64, 96)),
            Axis("batch_size", (16, 32, 64, 128)),
        ),
        (2_000, 6_000, 18_000),
        1,
        Effort(num_warmup=1, min_rounds=3),
    ),
    "full": Size(
        (
            Axis("num_tasks", (1, 2, 4, 8, 16, 40), ALL),
            Axis("image_size", (32, 64, 96, 128, 192), ALL),
            Axis("batch_size", (16, 32, 64, 128, 256), ALL),
        ),
        (4_000, 16_000, 64_000, 202_599),
        3,
        Effort(num_warmup=2, min_rounds=10, seconds=60.0),
    ),
}


def run(settings: BenchSettings) -> dict[str, Any]:
    """What was measured, and the exponents of it."""
    size = SIZES[settings.form]
    of_steps = [row for axis in size.axes for row in grow(axis, settings.device, size.effort, size.num_processes)]
    of_images = grow_images(size.nums_images, size.num_processes)
    exponents = [*fit_all(of_steps), *fit_all(of_images)]
    return {"legend": LEGEND, "tables": {"Exponents": exponents, "Steps": of_steps, "Number of images": of_images}}


def case_at(axis: Axis, value: int) -> Case:
    """A point of the axis.

    Example:
      >>> case_at(Axis("num_tasks", (1, 2)), 2).num_tasks
      2
    """
    return axis.base._replace(**{axis.field: value})  # type: ignore[arg-type]  # every field that grows is an int


def grow(axis: Axis, device: torch.device, effort: Effort, num_processes: int) -> list[Row]:
    """A row for each step and point; the points of a step take turns."""
    rows = []
    for name in axis.steps:
        contestants = {
            str(value): Contestant(partial(STEPS[name], case_at(axis, value), device)) for value in axis.values
        }
        found = take_turns(contestants, str(axis.values[0]), device, effort)
        for value, (point, timed) in zip(axis.values, found.items(), strict=True):
            added = [each.added for _ in range(num_processes) if (each := memory.of_steps(contestants[point], device))]
            rows.append(
                {
                    "of": name,
                    "grows": axis.field,
                    "value": value,
                    "seconds": quartiles(timed.seconds_R),
                    "MB": float(np.median(added)) / 1e6 if added else None,
                    "rounds": len(timed.seconds_R),
                }
            )
    return rows


def grow_images(nums_images: Sequence[int], num_times: int) -> list[Row]:
    """Packing, opening a pack, and an epoch without training, each in a process of its own."""
    found: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for num_images in nums_images:
        with tempfile.TemporaryDirectory() as folder:
            write_alike(Path(folder) / "images", num_images)
            for number in range(num_times):
                root, cache = Path(folder) / "images", Path(folder) / f"cache_{number}"
                for name, work in WORK.items():
                    found.setdefault((name, num_images), []).append(memory.apart(_watched, work, root, cache))
    rows = []
    for name in WORK:
        for num_images in nums_images:
            seconds, added = zip(*found[name, num_images], strict=True)
            rows.append(
                {
                    "of": name,
                    "grows": "num_images",
                    "value": num_images,
                    "seconds": quartiles(np.array(seconds)),
                    "MB": float(np.median(added)) / 1e6,
                    "rounds": num_times,
                }
            )
    return rows


def write_alike(root: Path, num_images: int) -> None:
    """Official files of one image, many times, with random labels."""
    generator = np.random.default_rng(0)
    stream = io.BytesIO()
    patches = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    patches.resize((WIDTH, HEIGHT)).save(stream, "JPEG")  # smooth, as faces are
    labels_NK = generator.random((num_images, 8)) < 0.5
    numbers = np.arange(num_images)
    table = Table(
        ids=np.array([f"{number + 1:06d}.jpg" for number in numbers]),
        source=ImageSource(root, ""),
        labels=labels_NK,
        mask=np.ones_like(labels_NK),
        split=(numbers % 10 - 7).clip(0, 2).astype(np.int8),
        identity=numbers.astype(np.int32),
        attributes=tuple(f"task_{k}" for k in range(labels_NK.shape[1])),
    )
    write_official(root, table, lambda name: stream.getvalue())


def fit_all(rows: Sequence[Row]) -> list[Row]:
    """The exponents of each series of points."""
    series: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        series.setdefault((row["of"], row["grows"]), []).append(row)
    return [
        {
            "of": name,
            "grows": field,
            "from": points[0]["value"],
            "to": points[-1]["value"],
            "exponent of time": fit_exponent([(point["value"], point["seconds"]["median"]) for point in points]),
            "exponent of memory": fit_exponent([(point["value"], point["MB"]) for point in points if point["MB"]]),
        }
        for (name, field), points in series.items()
    ]


def fit_exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """The exponent p of y = c x^p, by least squares in logarithms; None for fewer than two points.

    Example:
      >>> round(fit_exponent([(1.0, 3.0), (2.0, 12.0), (4.0, 48.0)]), 6)
      2.0
    """
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def _pack(root: Path, cache: Path) -> None:
    open_pack(read_table(root), PACKED_SIZE, "full", cache)


def _read_epoch(root: Path, cache: Path) -> None:
    pack = open_pack(read_table(root), PACKED_SIZE, "full", cache)
    for _ in train_batches(pack, np.flatnonzero(pack.table.split == 0), 0, 1, BATCH_SIZE, 0, CPU):
        pass


WORK = {"packing": _pack, "opening the pack": _pack, "opening it and reading an epoch": _read_epoch}


def _watched(work: Callable[[Path, Path], None], root: Path, cache: Path) -> tuple[float, int]:
    """Seconds and bytes beyond what imported libraries take; on a CPU wherever the training is."""
    before, began = memory.in_use(CPU), time.perf_counter()
    work(root, cache)
    return time.perf_counter() - began, memory.in_use(CPU, peak=True) - before
