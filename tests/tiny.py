"""A network, a batch and a data set that are small enough to test with."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ml_collections import ConfigDict
from PIL import Image
from torch import Tensor, nn

from configs.default import get_config
from mtl import study as whole_study
from mtl.batch import Batch
from mtl.config import read_run, read_study
from mtl.launchers.shards import Shard
from mtl.losses import binary
from mtl.models.architectures import ARCHITECTURES, Architecture
from mtl.models.backbones import make_backbone
from mtl.models.heads import parse_taps
from mtl.models.images import Augmentation, augment_and_normalize
from mtl.models.model import Model, Params, make_model
from mtl.models.stages import Stage
from mtl.state import TrainState
from mtl.training import loop, run
from mtl.training import step as training_step
from tests.data.celeba_files import make_ids, write

TASKS = ("a", "b", "c")
SIZE = 8  # pixels


class TinyNet(nn.Module):
    """Two stages with BatchNorm, in torchvision's style."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.fc = nn.Linear(6, 1000)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.fc(self.stage2(self.stage1(images_BCHW)).mean(dim=(2, 3)))


def build(weights: None) -> nn.Module:
    return TinyNet()


ARCHITECTURES["tiny"] = Architecture(build, {"stage1": Stage("stage1.2", 1), "stage2": Stage("stage2.2", 2)})


def make_tiny(
    tasks: tuple[str, ...] = TASKS,
    taps: tuple[str, ...] = ("b=stage1",),
    head: str = "linear",
    freeze: tuple[str, ...] = (),
) -> tuple[Model, Params, dict[str, Tensor]]:
    task_taps = parse_taps(taps, tasks, "stage2")
    trunk = make_backbone("tiny", tuple(dict.fromkeys(task_taps.values())), "", seed=0, freeze=freeze)
    return make_model(trunk, dict.fromkeys(tasks, binary()), task_taps, head, hidden=5, seed=1)


make_train_step = partial(training_step.make_train_step, augment=augment_and_normalize)


def make_batch(num_images: int = 4, tasks: tuple[str, ...] = TASKS, seed: int = 0) -> Batch:
    generator = np.random.default_rng(seed)
    images = torch.from_numpy(generator.integers(0, 256, (num_images, 3, SIZE, SIZE), dtype=np.uint8))
    labels_BK = torch.from_numpy(generator.integers(0, 2, (num_images, len(tasks))).astype(np.float32))
    mask_BK = torch.from_numpy((generator.random((num_images, len(tasks))) < 0.8).astype(np.float32))
    flip_B = torch.from_numpy(generator.random(num_images) < 0.5)
    shift_B2 = torch.from_numpy(generator.integers(-2, 3, (num_images, 2)))
    uniforms_K = torch.from_numpy(generator.random(len(tasks), dtype=np.float32))
    labels, mask = (dict(zip(tasks, of.unbind(1), strict=True)) for of in (labels_BK, mask_BK))
    return Batch(images, labels, mask, Augmentation(flip_B, shift_B2), uniforms_K, torch.tensor(0))


def make_gates(tasks: tuple[str, ...], *values: bool) -> dict[str, Tensor]:
    return {task: torch.tensor(value) for task, value in zip(tasks, values, strict=True)}


def write_celeba(root: Path, num_images: int = 60, seed: int = 0) -> Path:
    """Official files with three attributes that show in the pixels: what a tiny network can learn in a moment."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, (num_images, len(TASKS))).astype(bool)
    folder = root / "img_align_celeba"
    folder.mkdir(parents=True)
    names = make_ids(num_images)
    for name, row in zip(names, labels, strict=True):
        pixels = generator.integers(0, 64, (SIZE + 2, SIZE, 3))
        pixels += 160 * row  # each attribute is one colour
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name, quality=95)
    rows = [f"{name} {' '.join('1' if x else '-1' for x in row)}" for name, row in zip(names, labels, strict=True)]
    write(root / "list_attr_celeba.txt", [str(num_images), " ".join(TASKS) + " ", *rows], "\r\n")
    splits = [f"{name} {0 if index % 5 < 3 else index % 5 - 2}" for index, name in enumerate(names)]
    write(root / "list_eval_partition.txt", splits, "\r\n")
    return root


def tiny_config(root: Path, cache: Path) -> ConfigDict:
    """The default configuration on those files, with that network."""
    config = get_config()
    config.data.name = "celeba"
    config.data.root = str(root)
    config.data.cache = str(cache)
    config.data.attributes = TASKS
    config.data.image_size = SIZE
    config.data.max_shift = 1
    config.data.num_workers = 1
    config.model.backbone = "tiny"
    config.train.epochs = 3
    config.train.batch_size = 6
    config.train.learning_rate = 0.03
    config.train.log_every = 2
    config.train.device = "cpu"
    config.dst.probe_images = 12
    return config


def fit(config: ConfigDict, workdir: Path) -> tuple[TrainState, dict[str, Any]]:
    return loop.fit(read_run(config), workdir)


def prepare(config: ConfigDict, workdir: Path) -> tuple[run.Run, TrainState]:
    return run.prepare(read_run(config), workdir)


def study(config: ConfigDict, workdir: Path, launcher: str = "local", shard: Shard | None = None) -> str:
    return whole_study.study(read_study(config), workdir, launcher, shard)
