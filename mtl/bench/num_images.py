"""How packing, opening a pack and reading it grow with the number of images, on official files made for that."""

import io
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mtl.batch import Batch
from mtl.bench import memory
from mtl.bench.official import write_official
from mtl.bench.table import Row
from mtl.bench.timing import quartiles
from mtl.data.batches import num_train_batches, train_batches
from mtl.data.celeba import read_table
from mtl.data.image_files import ImageSource
from mtl.data.pack import Pack, open_pack
from mtl.data.table import Table
from mtl.kinds import BINARY

HEIGHT, WIDTH = 218, 178  # pixels, CelebA's
PACKED_SIZE, BATCH_SIZE = 64, 64
CPU = torch.device("cpu")
Work = Callable[[], object]


def grow_images(nums_images: Sequence[int], num_times: int) -> list[Row]:
    """Packing, opening a pack, an epoch without training, and going on in its middle, each in a process of its own."""
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
        kinds=(BINARY,) * labels_NK.shape[1],
    )
    write_official(root, table, lambda name: stream.getvalue())


def _to_pack(root: Path, cache: Path) -> Work:
    return lambda: _open(root, cache)


def _to_read_epoch(root: Path, cache: Path) -> Work:
    return lambda: deque(_batches(_open(root, cache)), maxlen=0)


def _to_go_on(root: Path, cache: Path) -> Work:
    pack = _open(root, cache)
    middle = num_train_batches((pack.table.split == 0).sum(), BATCH_SIZE) // 2
    return lambda: next(_batches(pack, middle))


def _open(root: Path, cache: Path) -> Pack:
    return open_pack(read_table(root), PACKED_SIZE, "full", cache)


def _batches(pack: Pack, first: int = 0) -> Iterator[Batch]:
    return train_batches(pack, np.flatnonzero(pack.table.split == 0), 0, 1, BATCH_SIZE, 0, CPU, first)


# What is timed is made first, from the files' folder and the cache.
WORK: dict[str, Callable[[Path, Path], Work]] = {
    "packing": _to_pack,
    "opening the pack": _to_pack,
    "opening it and reading an epoch": _to_read_epoch,
    "an epoch's order and the batch in its middle": _to_go_on,
}


def _watched(make: Callable[[Path, Path], Work], root: Path, cache: Path) -> tuple[float, int]:
    """Seconds and bytes beyond what imported libraries take; on a CPU wherever the training is."""
    before, work = memory.in_use(CPU), make(root, cache)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, memory.in_use(CPU, peak=True) - before
