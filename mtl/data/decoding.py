"""Images are decoded, cropped and resized: from their files into the rows of an array."""

import os
import re
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_jpeg

from mtl.data.celeba import Table
from mtl.data.image_files import ImageSource, read_image
from mtl.data.workers import in_processes
from mtl.errors import UserError
from mtl.progress import progress

CHUNK = 256  # images a worker is given at a time
IMAGES_PER_WORKER = 10_000  # a process takes as long to start as to decode this many
NO_MEMORY = re.compile(r"not enough memory|allocate memory|[Ii]nsufficient memory")  # torch says it by a RuntimeError
SOURCE_LINE = re.compile(r"^.*\.cpp:\d+, ")  # torchvision's messages begin with a place in its source


def decode_all(
    path: Path, table: Table, image_size: int, crop: str, on_bad_image: str, num_workers: int
) -> dict[str, str]:
    """Decodes every image into the array at `path`; returns id -> reason of those that could not be."""
    num_images = len(table.ids)
    num_workers = num_workers or max(1, min(os.cpu_count() or 1, num_images // IMAGES_PER_WORKER))
    starts = range(0, num_images, CHUNK)
    tasks = [(path, table.source, table.ids[i : i + CHUNK].tolist(), i, image_size, crop) for i in starts]
    bad: dict[str, str] = {}
    with (
        progress("packing images", num_images) as update,
        in_processes(_decode_chunk, tasks, min(num_workers, len(tasks))) as results,
    ):
        for start, found in zip(starts, results, strict=True):
            bad |= found
            if bad and on_bad_image == "fail":
                raise bad_image_error(table.source, *next(iter(bad.items())))
            update(min(start + CHUNK, num_images), f"{len(bad)} skipped" if bad else "")
    return bad


def _decode_chunk(
    path: Path, source: ImageSource, names: Sequence[str], start: int, image_size: int, crop: str
) -> dict[str, str]:
    """Decodes `names` into the rows from `start` on; returns name -> reason of those that could not be.

    Raises:
      UserError: for an image that could not be read, which says nothing about what is in it.
    """
    images_NCHW = np.load(path, mmap_mode="r+")
    bad = {}
    for row, name in enumerate(names, start):
        try:
            image = _decode(read_image(source, name))
        except (RuntimeError, ValueError, OSError, EOFError, MemoryError, BadZipFile, zlib.error) as error:
            if want := _want(error):
                raise UserError(
                    f"{source.path / source.prefix / name} cannot be read ({want}), which does not make it a bad "
                    "image: remove the cause, and give the same command again."
                ) from error
            bad[name] = SOURCE_LINE.sub("", str(error)).partition("\n")[0]
        else:
            images_NCHW[row] = _resize(_crop(image, crop), image_size).numpy()
    return bad


def _want(error: Exception) -> str | None:
    """What was wanting, permission, memory, a working disk, ..., if an image failed for that; None if it is bad."""
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return "out of memory"
    if isinstance(error, OSError) and error.errno is not None:  # without a number it is a decompressor's
        return os.strerror(error.errno)
    return None


def _decode(data: bytes) -> torch.Tensor:
    """A JPEG, grey or coloured, as a [3, H, W] uint8 image, turned as its EXIF orientation says.

    Raises:
      RuntimeError, ValueError: if it is not whole.
    """
    with warnings.catch_warnings():
        # torchvision 0.29 announces the end of its decoders; setup.py keeps to versions that have them.
        warnings.filterwarnings("ignore", "The image decoding", DeprecationWarning)
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return decode_jpeg(encoded, mode=ImageReadMode.RGB, apply_exif_orientation=True)


def _crop(image_CHW: torch.Tensor, crop: str) -> torch.Tensor:
    if crop == "full":
        return image_CHW
    height, width = image_CHW.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image_CHW[:, top : top + side, left : left + side]


def _resize(image_CHW: torch.Tensor, size: int) -> torch.Tensor:
    resized = torch.nn.functional.interpolate(image_CHW[None], size=(size, size), mode="bilinear", antialias=True)
    return resized[0]


def bad_image_error(source: ImageSource, image_id: str, reason: str) -> UserError:
    """What to say of an image that cannot be decoded."""
    return UserError(
        f"{source.path / source.prefix / image_id} cannot be decoded ({reason}): "
        'put a whole copy in its place, or set data.on_bad_image to "skip" to leave such images out.'
    )
