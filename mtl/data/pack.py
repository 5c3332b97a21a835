"""Images are decoded, cropped and resized once, into one memory-mapped array that is keyed by all that made it."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from mtl.data.decoding import bad_image_error, decode_all
from mtl.data.image_files import fingerprint_files, where
from mtl.data.table import SPLITS, Table, take_rows
from mtl.data.zips import open_zip
from mtl.errors import UserError, check_choice
from mtl.progress import progress
from mtl.record import locks
from mtl.record.atomic import to_disk, writing
from mtl.record.files import read_json, write_json

FORMAT_VERSION = 1  # raise it when the same images would give other pixels
CROPS, ON_BAD_IMAGE = ("full", "square"), ("fail", "skip")
IMAGES, MADE_OF = "images.npy", "made_of.json"
OF_MADE = {"num_images": int, "skipped": dict, "pixels.digest": str, "pixels.stamp": list}
ROWS = 256  # of the array that are digested at a time


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
      num_workers: threads that decode; 0 for one per core, and at most 8.

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
        "images": fingerprint_files(table.source, table.ids.tolist()),
        "num_images": len(table.ids),
        "image_size": image_size,
        "crop": crop,
    }
    folder = cache / hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    if not _is_as_made(folder):
        with locks.wait_for(folder.with_suffix(".lock")):
            if not _is_as_made(folder):
                _make(folder, made_of, table, on_bad_image, num_workers)
    made = read_json(folder / MADE_OF)
    bad: dict[str, str] = made["skipped"]
    if bad and on_bad_image == "fail":
        raise bad_image_error(table.source, *next(iter(bad.items())))
    images_NCHW = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)[: len(table.ids) - len(bad)]
    if bad:
        table = _without(table, bad)
    return Pack(images_NCHW, table, tuple(bad), made["pixels"]["digest"])


def _without(table: Table, bad: dict[str, str]) -> Table:
    """The table without bad images, of whose splits each has some left."""
    is_bad = np.isin(table.ids, list(bad))
    for index, name in enumerate(SPLITS):
        of_split = table.split == index
        if of_split.any() and not (of_split & ~is_bad).any():
            image = table.ids[np.flatnonzero(of_split)[0]]
            raise UserError(
                f"all {of_split.sum()} images of the {name} split are bad, {where(table.source, image)} for one "
                f"({bad[image]}), so there is nothing left of it: put whole copies in their places."
            )
    return take_rows(table, np.flatnonzero(~is_bad))


def digest_pixels(images_NCHW: np.ndarray) -> str:
    """The first 16 hexadecimal digits of SHA-256 over shape and pixels.

    Example:
      >>> digest_pixels(np.zeros((2, 3, 4, 4), np.uint8)) == digest_pixels(np.zeros((1, 3, 8, 4), np.uint8))
      False
    """
    starts = range(0, len(images_NCHW), ROWS)
    return _digest(images_NCHW.shape, (images_NCHW[start : start + ROWS] for start in starts))


def _digest_file(path: Path, num_images: int) -> str:
    """`digest_pixels` of a file's first images, mapped a few at a time: in one map, all would stay in memory."""
    shape = np.load(path, mmap_mode="r", allow_pickle=False)[:num_images].shape
    ends = ((start, min(start + ROWS, num_images)) for start in range(0, num_images, ROWS))
    return _digest(shape, (np.load(path, mmap_mode="r", allow_pickle=False)[start:end] for start, end in ends))


def _digest(shape: tuple[int, ...], blocks: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256(str(shape).encode())
    for block_NCHW in blocks:
        digest.update(block_NCHW.data)
    return digest.hexdigest()[:16]


def _is_as_made(folder: Path) -> bool:
    """Whether the pack is there, with the pixels that were packed.

    They are read only if the size or the time of their file changed. Packs of before digests were recorded are none:
    images that EXIF turns lie on their side in them.
    """
    path = folder / IMAGES
    try:
        made = read_json(folder / MADE_OF, OF_MADE)
        pixels = made["pixels"]
        if _stamp(path) == pixels["stamp"]:
            return True
        digest = _digest_file(path, made["num_images"] - len(made["skipped"]))
    except (OSError, ValueError, EOFError):  # not there, garbled, cut short, no digest
        return False
    if digest != pixels["digest"]:
        return False
    with contextlib.suppress(OSError):  # a copy has a time of its own: with the old one it is not read again
        os.utime(path, ns=(pixels["stamp"][1],) * 2)
    return True


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _check_options(image_size: int, crop: str, on_bad_image: str) -> None:
    if image_size < 1:
        raise UserError(f"image_size is {image_size}; it must be at least 1 pixel", "image_size")
    check_choice("crop", crop, CROPS)
    check_choice("on_bad_image", on_bad_image, ON_BAD_IMAGE)


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
            f"{num_bytes / 1e9:.1f} GB: make room, or set cache to a folder on a larger disk",
            "cache",
        )
    partial.mkdir()
    try:
        path = partial / IMAGES
        with writing(path):
            bad = _write_images(path, table, size, made_of["crop"], on_bad_image, num_workers)
        if len(bad) == num_images:
            raise bad_image_error(table.source, *next(iter(bad.items())))
        to_disk(path)
        pixels = {"digest": _digest_file(path, num_images - len(bad)), "stamp": _stamp(path)}
        write_json(partial / MADE_OF, {**made_of, "skipped": bad, "pixels": pixels})
        to_disk(partial)
        partial.rename(folder)
        to_disk(folder.parent)
    finally:
        open_zip.cache_clear()  # closes it; its path may hold another zip the next time
        shutil.rmtree(partial, ignore_errors=True)


def _write_images(
    path: Path, table: Table, image_size: int, crop: str, on_bad_image: str, num_workers: int
) -> dict[str, str]:
    """Writes the images that can be decoded into a `.npy`; returns id -> reason of the others."""
    num_images, num_done, bad = len(table.ids), 0, dict[str, str]()
    chunks = decode_all(table.source, table.ids.tolist(), image_size, crop, num_workers)
    with path.open("wb") as file, progress("packing images", num_images) as update, closing(chunks):
        _write_header(file, (num_images, 3, image_size, image_size))
        for chunk in chunks:
            bad |= chunk.bad
            if bad and on_bad_image == "fail":
                raise bad_image_error(table.source, *next(iter(bad.items())))
            file.write(chunk.images_NCHW.data)
            num_done += len(chunk.images_NCHW) + len(chunk.bad)
            update(num_done, f"{len(bad)} skipped" if bad else "")
        file.seek(0)
        _write_header(file, (num_images - len(bad), 3, image_size, image_size))
    return bad


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """Writes the start of a `.npy`: as many bytes whatever the number of images, so that it may be written again."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
