"""A table with a task of each kind, whose images show them: what a tiny network can learn in a moment."""

from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from mtl.data.image_files import ImageSource
from mtl.data.table import Table
from mtl.kinds import BINARY, Kind
from tests.tiny import SIZE, tiny_config

NAMES = ("smile", "hair", "age")
KINDS = (BINARY, Kind("classes", ("black", "brown", "red")), Kind("regression", mean=40.0, std=10.0))


def write_mixed(root: Path, num_images: int = 60, seed: int = 0) -> Table:
    """Red says whether there is a smile, green which hair it is, blue the age; some labels are missing."""
    generator = np.random.default_rng(seed)
    smile, hair = generator.integers(0, 2, num_images), generator.integers(0, 3, num_images)
    age = generator.normal(size=num_images).astype(np.float32)
    root.mkdir(parents=True)
    ids = np.array([f"{number:03d}.png" for number in range(num_images)])
    levels = np.stack([160 * smile, 80 * hair, (80 + 40 * age).clip(0, 190)], axis=1)
    for name, level in zip(ids, levels, strict=True):
        pixels = generator.integers(0, 64, (SIZE, SIZE, 3)) + level.astype(int)
        Image.fromarray(pixels.astype(np.uint8)).save(root / name)
    labels = np.stack([smile, hair, age], axis=1).astype(np.float32)
    mask = generator.random(labels.shape) < 0.9
    labels[~mask] = np.nan
    split = np.where(np.arange(num_images) % 5 < 3, 0, np.arange(num_images) % 5 - 2).astype(np.int8)
    identity = (np.arange(num_images) // 2).astype(np.int32)
    return Table(ids, ImageSource(root, ""), labels, mask, split, identity, NAMES, KINDS)


def mixed_config(root: Path, cache: Path) -> ConfigDict:
    """The tiny network on all columns of whatever table is read."""
    config = tiny_config(root, cache)
    config.data.attributes = ("all",)
    return config
