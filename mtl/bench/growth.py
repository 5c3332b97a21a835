"""Part e: how time and peak memory grow with K, image size, batch and number of images, as fitted exponents."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from mtl.bench import handwritten, memory
from mtl.bench.estimate import estimate
from mtl.bench.num_images import grow_images
from mtl.bench.ours import Case, make_ours
from mtl.bench.settings import BenchSettings, Effort
from mtl.bench.table import Row
from mtl.bench.timing import Contestant, Step, quartiles, take_turns
from mtl.data.published import NUM_IMAGES
from mtl.training.sourcing import Sourcing

LEGEND = (
    "y = c x^p, fitted by least squares in logarithms. Steps: ResNet-18, seconds of a step and the peak less what "
    "imported libraries take; what does not grow, the network and its optimizer, say, makes an exponent small. Images: "
    "alike, of CelebA's size, 64 x 64 in the pack; resident memory counts the pages of the pack that are mapped, which "
    "the system takes back when it needs them. The last table is no measurement but for what it calls so: counted "
    "operations and bytes of our joint step (ResNet-18, 64 x 64, K = 8), each operation alone at published peaks of "
    "float32 and of memory, 5 microseconds to start it, nothing waited for; so a floor for an uncompiled step."
)

ESTIMATED = (Case(batch_size=64), Case(batch_size=256))
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
        (2_000, 20_000, NUM_IMAGES),
        1,
        Effort(num_warmup=1, min_rounds=3),
    ),
    "full": Size(
        (
            Axis("num_tasks", (1, 2, 4, 8, 16, 40), ALL),
            Axis("image_size", (32, 64, 96, 128, 192), ALL),
            Axis("batch_size", (16, 32, 64, 128, 256), ALL),
        ),
        (4_000, 16_000, 64_000, NUM_IMAGES),
        3,
        Effort(num_warmup=2, min_rounds=10, seconds=60.0),
    ),
}


def run(settings: BenchSettings) -> dict[str, Any]:
    """What was measured, and the exponents of it."""
    size = SIZES[settings.form]
    of_steps = [row for axis in size.axes for row in grow(axis, settings.device, size.effort, size.num_processes)]
    of_images = grow_images(size.nums_images, size.num_processes)
    tables = {
        "Exponents": [*fit_all(of_steps), *fit_all(of_images)],
        "Steps": of_steps,
        "Number of images": of_images,
        "A run on all of CelebA, estimated": estimate(ESTIMATED, size.effort),
    }
    return {"legend": LEGEND, "tables": tables}


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
