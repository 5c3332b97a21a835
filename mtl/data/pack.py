"""Images are decoded, cropped and resized once, into one memory-mapped array that is keyed by all that made it."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_jpeg

from mtl import locks
from mtl.data.celeba import ImageSource, Table, take_rows
from mtl.errors import UserError
from mtl.progress import progress

FORMAT_VERSION = 1  # raise it when the same images would give other pixels
CHUNK = 256  # images a worker is given at a time
IMAGES_PER_WORKER = 10_000  # a process takes as long to start as to decode this many
CROPS = ("full", "square")
IMAGES, MADE_OF = "images.npy", "made_of.json"
NO_MEMORY = re.compile(r"not enough memory|allocate memory|[Ii]nsufficient memory")  # torch says it by a RuntimeError
SOURCE_LINE = re.compile(r"^.*\.cpp:\d+, ")  # torchvision's messages begin with a place in its source


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
    made = _read_made_of(folder)
    bad: dict[str, str] = made["skipped"]
    if bad and on_bad_image == "fail":
        raise _bad_image_error(table.source, *next(iter(bad.items())))
    images_NCHW = np.load(folder / IMAGES, mmap_mode="r")[: len(table.ids) - len(bad)]
    if bad:
        table = take_rows(table, np.flatnonzero(~np.isin(table.ids, list(bad))))
    return Pack(images_NCHW, table, tuple(bad), made["pixels"]["digest"])


def digest_pixels(images_NCHW: np.ndarray) -> str:
    """The first 16 hexadecimal digits of SHA-256 over shape and pixels."""
    digest = hashlib.sha256(str(images_NCHW.shape).encode())
    for start in range(0, len(images_NCHW), CHUNK):
        digest.update(images_NCHW[start : start + CHUNK].data)
    return digest.hexdigest()[:16]


def _read_made_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / MADE_OF).read_text())


def _is_as_made(folder: Path) -> bool:
    """Whether the pack is there, with the pixels that were packed.

    They are read only if the size or the time of their file changed. Packs of before digests were recorded are none:
    images that EXIF turns lie on their side in them.
    """
    path = folder / IMAGES
    try:
        made = _read_made_of(folder)
        pixels = made["pixels"]
        if _stamp(path) == pixels["stamp"]:
            return True
        images_NCHW = np.load(path, mmap_mode="r")[: made["num_images"] - len(made["skipped"])]
    except (FileNotFoundError, ValueError, EOFError, KeyError):  # not there, garbled, cut short, without a digest
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


def _bad_image_error(source: ImageSource, image_id: str, reason: str) -> UserError:
    return UserError(
        f"{source.path / source.prefix / image_id} cannot be decoded ({reason}): "
        'put a whole copy in its place, or set data.on_bad_image to "skip" to leave such images out.'
    )


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
        bad = _decode_all(path, table, size, made_of["crop"], on_bad_image, num_workers)
        if len(bad) == num_images:
            raise _bad_image_error(table.source, *next(iter(bad.items())))
        _close_gaps(images, np.flatnonzero(~np.isin(table.ids, list(bad))))
        _to_disk(path)  # what is written to the mapped array may set the file's time as late as here
        pixels = {"digest": digest_pixels(images[: num_images - len(bad)]), "stamp": _stamp(path)}
        (partial / MADE_OF).write_text(json.dumps({**made_of, "skipped": bad, "pixels": pixels}, indent=1))
        for written in (partial / MADE_OF, partial):
            _to_disk(written)
        partial.rename(folder)
        _to_disk(folder.parent)
    finally:
        _open_zip.cache_clear()  # closes it; its path may hold another zip the next time
        shutil.rmtree(partial, ignore_errors=True)


def _close_gaps(images_NCHW: np.ndarray, kept: np.ndarray) -> None:
    """Moves the kept rows to the front, in place and in order, where some row is not kept."""
    if len(kept) == len(images_NCHW):
        return
    for start in range(0, len(kept), CHUNK):
        rows = kept[start : start + CHUNK]
        images_NCHW[start : start + len(rows)] = images_NCHW[rows]


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _decode_all(
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
        _in_processes(_decode_chunk, tasks, min(num_workers, len(tasks))) as results,
    ):
        for start, found in zip(starts, results, strict=True):
            bad |= found
            if bad and on_bad_image == "fail":
                raise _bad_image_error(table.source, *next(iter(bad.items())))
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
            image = _decode(_read(source, name))
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


def _read(source: ImageSource, name: str) -> bytes:
    if source.path.is_dir():
        return (source.path / name).read_bytes()
    return _open_zip(source.path).read(source.prefix + name)


@lru_cache(maxsize=1)
def _open_zip(path: Path) -> ZipFile:
    return ZipFile(path)  # once per process and pack: listing 202,599 files takes a second


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


@contextmanager
def _in_processes(function: Callable, tasks: Sequence[tuple], num_workers: int) -> Iterator[Iterator]:
    """Gives `function(*task)` for every task, in order, from processes that end as soon as this block is left."""
    if num_workers == 1:
        yield (function(*task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
    workers, connections = [], []
    try:
        with _ignoring_interrupts():
            for _ in range(num_workers):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(theirs,), daemon=True)
                worker.start()
                theirs.close()  # only the worker keeps it, so that its death is seen here
                workers.append(worker)
                connections.append(ours)
        for first, connection in enumerate(connections):
            connection.send((function, tasks[first::num_workers]))
        yield (_result(connections[task % num_workers].recv()) for task in range(len(tasks)))
    except (EOFError, ConnectionError) as error:
        raise UserError(
            "a process that decodes images was killed, most often for want of memory: set data.num_workers lower."
        ) from error
    finally:
        for worker, connection in zip(workers, connections, strict=True):
            worker.terminate()
            worker.join()
            connection.close()


def _result(received: Any) -> Any:
    if isinstance(received, UserError):
        raise received
    return received


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignores Ctrl-C; processes started meanwhile ignore it for good, so that only their parent answers to it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: Connection) -> None:
    """What a worker does: it receives a function and tasks, and sends the results, or the user's mistake that it met.

    It ends if its parent was killed.
    """
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, ConnectionError):
        function, tasks = connection.recv()
        for task in tasks:
            try:
                connection.send(function(*task))
            except UserError as error:
                connection.send(error)
                return
