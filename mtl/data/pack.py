"""Images are decoded, cropped and resized once, into one memory-mapped array that is keyed by all that made it."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.data.celeba import Table, take_rows
from mtl.data.decoding import bad_image_error, decode_all
from mtl.data.image_files import open_zip
from mtl.errors import UserError
from mtl.record import locks
from mtl.record.files import read_json, write_json

FORMAT_VERSION = 1  # raise it when the same images would give other pixels
CROPS = ("full", "square")
IMAGES, MADE_OF = "images.npy", "made_of.json"
ROWS = 256  # of the array that are moved or digested at a time


class Pack(NamedTuple):
    """The pixels and the labels of the images that could be decoded."""

    images_NCHW: np.ndarray  # [N, 3, S, S] uint8, memory-mapped, read-only
    table: Table  # the rows that are in the pack, in its order
    skipped: tuple[str, ...]  # ids of images that could not be decoded (only with on_bad_image="skip")
    digest: str  # of images_NCHW, as `digest_pixels` gives it


def open_pack(
    table: Table, image_size: int, crop: str, cache: Path, on_bad_image: str = "fail", num_workers: int = 0
) -> Pack:
    """Opens the pack of a table's images, making it first if it is not in the cache.

    Labels are no part of it, so other attributes of the same images use the same pack. A pack appears in the cache
    whole or not at all; of two processes that want the same one, the second waits for the first. A pack whose pixels
    were changed afterwards is made again; a change that left size and time of the file alone goes unnoticed.

    Args:
      table: which images, and their labels.
      image_size: S, height and width of the packed images, pixels.
      crop: "full" squeezes the whole image into the square, as the published 64 x 64 protocols do; "square" takes
        the largest centred square.
      cache: folder that keeps the packs.
      on_bad_image: "fail", or "skip" to leave out images that cannot be decoded.
      num_workers: processes that decode; 0 for as many as there are cores, or fewer where few images do not pay
        for the start of more. One is this process itself.

    Returns:
      The pack; with "skip", its table lacks the skipped rows.

    Raises:
      UserError: if an image cannot be decoded and `on_bad_image` is "fail", an image cannot be read, an option has
        another value than those above, or the disk is too small.
    """
    _check_options(image_size, crop, on_bad_image)
    made_of = {
        "version": FORMAT_VERSION,
        "source": str(table.source.path.resolve()),
        "images": _fingerprint(table),
        "num_images": len(table.ids),
        "image_size": image_size,
        "crop": crop,
    }
    folder = cache / hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    if not _is_as_made(folder):
        cache.mkdir(parents=True, exist_ok=True)
        with locks.wait_for(folder.with_suffix(".lock")):
            if not _is_as_made(folder):
                _make(folder, made_of, table, on_bad_image, num_workers)
    made = read_json(folder / MADE_OF)
    bad: dict[str, str] = made["skipped"]
    if bad and on_bad_image == "fail":
        raise bad_image_error(table.source, *next(iter(bad.items())))
    images_NCHW = np.load(folder / IMAGES, mmap_mode="r")[: len(table.ids) - len(bad)]
    if bad:
        table = take_rows(table, np.flatnonzero(~np.isin(table.ids, list(bad))))
    return Pack(images_NCHW, table, tuple(bad), made["pixels"]["digest"])


def digest_pixels(images_NCHW: np.ndarray) -> str:
    """The first 16 hexadecimal digits of SHA-256 over shape and pixels.

    Example:
      >>> digest_pixels(np.zeros((2, 3, 4, 4), np.uint8)) == digest_pixels(np.zeros((1, 3, 8, 4), np.uint8))
      False
    """
    digest = hashlib.sha256(str(images_NCHW.shape).encode())
    for start in range(0, len(images_NCHW), ROWS):
        digest.update(images_NCHW[start : start + ROWS].data)
    return digest.hexdigest()[:16]


def _is_as_made(folder: Path) -> bool:
    """Whether the pack is there, with the pixels that were packed.

    They are read only if the size or the time of their file changed. Packs of before digests were recorded are none:
    images that EXIF turns lie on their side in them.
    """
    path = folder / IMAGES
    try:
        made = read_json(folder / MADE_OF)
        pixels = made["pixels"]
        if _stamp(path) == pixels["stamp"]:
            return True
        images_NCHW = np.load(path, mmap_mode="r")[: made["num_images"] - len(made["skipped"])]
    except (FileNotFoundError, UserError, ValueError, EOFError, KeyError):  # not there, garbled, cut short, no digest
        return False
    if digest_pixels(images_NCHW) != pixels["digest"]:
        return False
    with contextlib.suppress(OSError):  # a copy has a time of its own: with the old one it is not read again
        os.utime(path, ns=(pixels["stamp"][1],) * 2)
    return True


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _check_options(image_size: int, crop: str, on_bad_image: str) -> None:
    if image_size < 1:
        raise UserError(f"data.image_size is {image_size}: it must be at least 1 pixel.")
    if crop not in CROPS:
        raise UserError(f"data.crop is {crop!r}: it must be one of {', '.join(CROPS)}.")
    if on_bad_image not in ("fail", "skip"):
        raise UserError(f"data.on_bad_image is {on_bad_image!r}: it must be fail or skip.")


def _fingerprint(table: Table) -> str:
    """A hash that changes when the images do: names in order, and sizes and times of the files that hold them."""
    names = table.ids.tolist()
    path, prefix = table.source
    digest = hashlib.sha256("\n".join([prefix, *names]).encode())
    if path.is_dir():
        with os.scandir(path) as entries:
            stats = {entry.name: entry.stat() for entry in entries}
        files = [stats[name] for name in names]
    else:
        files = [path.stat()]
    digest.update(np.array([(file.st_size, file.st_mtime_ns) for file in files], dtype=np.int64).tobytes())
    return digest.hexdigest()


def _make(folder: Path, made_of: dict, table: Table, on_bad_image: str, num_workers: int) -> None:
    """Writes a pack beside `folder`, and renames it when it is whole and on the disk; it replaces what is there."""
    num_images, size = len(table.ids), made_of["image_size"]
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed run left behind
    if folder.exists():
        print(f"warning: {folder} was changed, or is of an older version: images are packed again", file=sys.stderr)
        folder.rename(partial)
        shutil.rmtree(partial)
    num_bytes, num_free = num_images * 3 * size * size, shutil.disk_usage(folder.parent).free
    if num_bytes > num_free:
        raise UserError(
            f"{folder.parent} has {num_free / 1e9:.1f} GB free, and {num_images} images of {size} x {size} take "
            f"{num_bytes / 1e9:.1f} GB: make room, or set data.cache to a folder on a larger disk."
        )
    partial.mkdir()
    try:
        path = partial / IMAGES
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(num_images, 3, size, size))
        bad = decode_all(path, table, size, made_of["crop"], on_bad_image, num_workers)
        if len(bad) == num_images:
            raise bad_image_error(table.source, *next(iter(bad.items())))
        _close_gaps(images, np.flatnonzero(~np.isin(table.ids, list(bad))))
        _to_disk(path)  # what is written to the mapped array may set the file's time as late as here
        pixels = {"digest": digest_pixels(images[: num_images - len(bad)]), "stamp": _stamp(path)}
        write_json(partial / MADE_OF, {**made_of, "skipped": bad, "pixels": pixels})
        _to_disk(partial)
        partial.rename(folder)
        _to_disk(folder.parent)
    finally:
        open_zip.cache_clear()  # closes it; its path may hold another zip the next time
        shutil.rmtree(partial, ignore_errors=True)


def _close_gaps(images_NCHW: np.ndarray, kept: np.ndarray) -> None:
    """Moves the kept rows to the front, in place and in order, where some row is not kept."""
    if len(kept) == len(images_NCHW):
        return
    for start in range(0, len(kept), ROWS):
        rows = kept[start : start + ROWS]
        images_NCHW[start : start + len(rows)] = images_NCHW[rows]


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
