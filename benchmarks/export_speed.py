"""Images per second of an exported network: onnxruntime and torch.export's graph, beside the module in eager mode.

All three take turns of 64 images in one process, with the same number of threads; reported are images per second, from
the median turn, and the ratio of seconds to eager's in the same round. Without --model it is a ResNet-18 with 40 tasks
and random numbers, on images of 64 x 64.

Command: python benchmarks/export_speed.py [--model=DIR]    writes artifacts/benchmarks/export_speed_cpu.json
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from absl import app, flags, logging
from result import write_result
from torch import Tensor

from mtl.bench.settings import Effort
from mtl.bench.timing import Contestant, ratio, take_turns
from mtl.export import as_onnx, as_pt2
from mtl.export.agreement import draw_images
from mtl.kinds import BINARY
from mtl.losses import binary
from mtl.models.backbones import make_backbone
from mtl.models.images import IMAGENET_MEAN, IMAGENET_STD
from mtl.models.model import make_model
from mtl.trained.folder import Loaded, load_model
from mtl.trained.module import to_module
from mtl.trained.settings import Settings

MODEL = flags.DEFINE_string("model", "", "a model folder; by default a ResNet-18 with random numbers")
SECONDS = flags.DEFINE_float("seconds", 30.0, "rounds of a batch size begin for this long")
BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "64"], "images at once")
TURN = 64  # images
Run = Callable[[Tensor], Tensor]


def make_resnet18(num_tasks: int = 40, image_size: int = 64) -> Loaded:
    """A network whose numbers are random."""
    tasks = tuple(f"task_{k}" for k in range(num_tasks))
    trunk = make_backbone("resnet18", ("layer4",), "", seed=0, image_size=image_size)
    settings = Settings(
        tasks=tasks,
        kinds=(BINARY,) * num_tasks,
        backbone="resnet18",
        width=1.0,
        weights="",
        transforms_input=False,
        taps=dict.fromkeys(tasks, "layer4"),
        head="linear",
        hidden=64,
        separate=False,
        precision="float32",
        image_size=image_size,
        crop="square",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        mirrored=False,
        temperatures=dict.fromkeys(tasks, 1.0),
        thresholds=dict.fromkeys(tasks, 0.5),
        trained={},
    )
    return Loaded(*make_model(trunk, dict.fromkeys(tasks, binary())), settings)


def make_runs(loaded: Loaded, folder: Path) -> dict[str, Run]:
    """Name -> what gives probabilities."""
    as_onnx.write(loaded, folder / "model.onnx")
    as_pt2.write(loaded, folder / "model.pt2")
    runs = {"onnxruntime": as_onnx.run(folder / "model.onnx"), "torch.export": as_pt2.run(folder / "model.pt2")}
    return {"eager": to_module(loaded), **runs}


def measure(runs: dict[str, Run], images_BCHW: Tensor) -> dict[str, Any]:
    """Images per second, and their ratio to eager's."""
    num_steps = max(1, TURN // len(images_BCHW))
    contestants = {name: Contestant(partial(_step, run, images_BCHW), num_steps) for name, run in runs.items()}
    contestants["yardstick"] = Contestant(partial(_step, runs["eager"], images_BCHW))
    found = take_turns(contestants, "yardstick", torch.device("cpu"), Effort(seconds=SECONDS.value, min_rounds=5))
    rates = {name: len(images_BCHW) / float(np.median(found[name].seconds_R)) for name in runs}
    against = {f"{name} / eager, seconds": ratio(found, name, "eager", "yardstick") for name in runs if name != "eager"}
    return {"batch_size": len(images_BCHW), "images_per_second": rates, **against}


def _step(run: Run, images_BCHW: Tensor) -> Callable[[], object]:
    return partial(torch.no_grad()(run), images_BCHW)


def main(_: Sequence[str]) -> None:
    logging.set_verbosity(logging.WARNING)  # the exporter tells absl's handler of each tensor
    loaded = load_model(MODEL.value) if MODEL.value else make_resnet18()
    images_BCHW, rows = draw_images(loaded.settings.image_size), list[dict[str, Any]]()
    with TemporaryDirectory() as folder:
        runs = make_runs(loaded, Path(folder))
        for batch_size in map(int, BATCH_SIZES.value):
            rows.append(measure(runs, images_BCHW[:batch_size]))
            rates = ", ".join(f"{name} {rate:.0f}" for name, rate in rows[-1]["images_per_second"].items())
            print(f"{batch_size} images at once: {rates} images per second")
    network = {name: getattr(loaded.settings, name) for name in ("backbone", "width", "image_size", "precision")}
    result = {"network": network | {"num_tasks": len(loaded.settings.tasks)}, "rows": rows}
    write_result("export_speed_cpu", result, torch.device("cpu"), as_onnx.PACKAGES)


if __name__ == "__main__":
    app.run(main)
