"""Networks whose answers are known: an attribute is present where its colour is. Made by hand, nothing is trained."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mtl.photos.alignment import HEIGHT, LANDMARKS_52, WIDTH
from mtl.photos.faces import Face
from mtl.trained.folder import save_model
from tests.tiny import make_tiny
from tests.trained.tiny_folder import tiny_settings

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}
CHANNEL = {"red": 0, "green": 1, "blue": 2}


def write_network(folder: Path, method: str, tasks: tuple[str, ...], image_size: int, slope: float = 20.0) -> Path:
    """A model folder: a task's logit is `slope` times (the mean of its channel - 1/2), of pixels in [0, 1]."""
    model, params, buffers = make_tiny(tasks, taps=())
    trunk = {name: torch.zeros_like(value) for name, value in params.trunk.items()}
    for stage in ("stage1", "stage2"):
        for channel in range(3):
            trunk[f"{stage}.0.weight"][channel, channel, 1, 1] = 1.0  # the middle of the kernel
        trunk[f"{stage}.1.weight"][:] = 1.0
    (group,) = params.heads
    heads = {name: torch.zeros_like(value) for name, value in params.heads[group].items()}
    for number, task in enumerate(tasks):
        heads["weight"][number, ..., CHANNEL[task]] = slope
        heads["bias"][number] = -slope / 2
    settings = tiny_settings(
        tasks,
        image_size=image_size,
        crop="square",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        temperatures=dict.fromkeys(tasks, 1.0),
        thresholds={task: 0.3 + 0.1 * number for number, task in enumerate(tasks)},
        trained={"method": method},
    )
    save_model(folder, model, params._replace(trunk=trunk, heads={group: heads}), buffers, settings, "by hand")
    return folder


def write_both(folder: Path) -> list[Path]:
    """Two networks that differ in their attributes and in what they look at."""
    joint = write_network(folder / "joint", "joint", ("red", "green", "blue"), 8)
    return [joint, write_network(folder / "dst", "dst", ("blue", "red"), 12)]


def make_photo(*colours: str) -> bytes:
    """Faces, each of one colour, side by side where `find_all` finds them: a PNG."""
    photo_HWC = np.zeros((HEIGHT, WIDTH * len(colours), 3), dtype=np.uint8)
    for number, colour in enumerate(colours):
        photo_HWC[:, number * WIDTH : (number + 1) * WIDTH] = COLOURS[colour]
    file = io.BytesIO()
    Image.fromarray(photo_HWC).save(file, "PNG")
    return file.getvalue()


def find_all(photo_HWC: np.ndarray) -> Sequence[Face]:
    """In place of the detector: the faces of `make_photo`, but for the grey ones."""
    lefts = [left for left in range(0, photo_HWC.shape[1], WIDTH) if photo_HWC[0, left].tolist() != [128] * 3]
    return [
        Face(np.array([left, 0.0, left + WIDTH, HEIGHT]), LANDMARKS_52 + np.array([left, 0.0]), 1.0) for left in lefts
    ]
