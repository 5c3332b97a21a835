"""Images are decoded, cropped and resized, a chunk of them at a time and several chunks at once."""

import io
import os
import struct
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from threading import Lock
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from mtl.data import jpeg
from mtl.data.image_files import Source, cannot_be_read, read_image, where
from mtl.data.parquet.images import ParquetImages, ParquetSource
from mtl.data.regular import NotRegular
from mtl.errors import UserError

CHUNK = 32  # images a worker is given at a time
MAX_WORKERS = 8  # unless more are asked for: a quarter of the work holds the interpreter's lock
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # no more: of the formats that Pillow knows, some start programs
MAX_PIXELS = 2**27  # of an image; the largest cameras have 102 million, and each takes 10 bytes while it is decoded
MAX_SIDE = 2**16 - 1  # a JPEG's own; Pillow takes minutes for the lines of a longer one
LARGE, ONE_LARGE = 2**23, Lock()  # images of that many pixels are decoded one at a time, whoever asks for them
TURNS = {  # what makes an image upright, by its EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
READ_OR_DECODE_ERRORS = (
    *(OSError, ValueError, RuntimeError, EOFError, MemoryError),
    *(BadZipFile, zlib.error),  # of a zip
    *(SyntaxError, struct.error, Image.DecompressionBombError),  # Pillow's
)
Read = Callable[[str], bytes]  # name of an image -> its file


class Chunk(NamedTuple):
    """Consecutive images of a source, without those that could not be decoded."""

    images_NCHW: np.ndarray  # [N, 3, S, S] uint8
    bad: dict[str, str]  # name -> reason


def decode_all(source: Source, names: Sequence[str], image_size: int, crop: str, num_workers: int) -> Generator[Chunk]:
    """Yields the images chunk by chunk, in order; a few chunks are in memory at once, however many images there are.

    The workers are threads, since decoder and filter run without the interpreter's lock: two are as fast as two
    processes, and they share one torch and one list of the zip's files.

    Raises:
      UserError: for an image that could not be read, which says nothing about what is in it.
    """
    pending: deque[Future[Chunk]] = deque()
    num_workers = num_workers or min(os.cpu_count() or 1, MAX_WORKERS)
    pool = ThreadPoolExecutor(num_workers)
    try:
        with warnings.catch_warnings():  # here and not in the threads, which share the filters
            warnings.filterwarnings("ignore", module="PIL")  # oddities of an image that can be decoded
            for chunk, read in _chunks(source, names):
                pending.append(pool.submit(_decode_chunk, source, chunk, read, image_size, crop))
                if len(pending) > 2 * num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(source: Source, names: Sequence[str]) -> Iterator[tuple[Sequence[str], Read]]:
    """Some names at a time, and what reads their images: the worker, or, in parquet's order of rows, this thread."""
    chunks = (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))
    if isinstance(source, ParquetSource):
        images = ParquetImages(source)
        for chunk in chunks:
            yield chunk, {name: images.read(name) for name in chunk}.__getitem__
    else:
        for chunk in chunks:
            yield chunk, partial(read_image, source)


def _decode_chunk(source: Source, names: Sequence[str], read: Read, image_size: int, crop: str) -> Chunk:
    images, bad = [], {}
    for name in names:
        try:
            image = _decode(read(name))
        except READ_OR_DECODE_ERRORS as error:
            if want := _want(error):
                raise cannot_be_read(source, name, want) from error
            bad[name] = _reason(error)
        else:
            images.append(fit(image, image_size, crop))
    images_NCHW = torch.stack(images) if images else torch.empty(0, 3, image_size, image_size, dtype=torch.uint8)
    return Chunk(images_NCHW.contiguous().numpy(), bad)


def _want(error: Exception) -> str | None:
    """What was wanting, permission, memory, a working disk, ..., if an image failed for that; None if it is bad."""
    if isinstance(error, NotRegular):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return "out of memory"
    if isinstance(error, OSError) and error.errno is not None:  # without a number it is a decoder's
        return os.strerror(error.errno)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # whose own words hold an address in memory
        return f"it is none of {', '.join(FORMATS)}"
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _decode(data: bytes) -> torch.Tensor:
    """An image, grey or coloured, as [3, H, W] uint8, turned as its EXIF orientation says, without transparency."""
    with _open(data) as file, ONE_LARGE if file.width * file.height > LARGE else nullcontext():
        _check_sides(file)
        file.load()  # before its orientation is asked for: Pillow turns a TIFF by itself, and then has none any more
        _refuse_fault(data, file)
        orientation = file.getexif().get(ExifTags.Base.Orientation)
        is_16_bits = file.mode.startswith("I;16")  # of grey, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(file) >> 8).astype(np.uint8)) if is_16_bits else file
        if image.mode != "RGB":
            image = image.convert("RGB")
        if orientation in TURNS:
            image = image.transpose(TURNS[orientation])
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _open(data: bytes) -> Image.Image:
    """Reads the header."""
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _check_sides(file: Image.Image) -> None:
    width, height = file.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise UserError(
            f"it has {width:,} x {height:,} pixels, and at most {MAX_PIXELS / 1e6:.0f} million are decoded, "
            f"{MAX_SIDE:,} a side"
        )
    if width * height == 0:
        raise UserError("it has no pixels")


def _refuse_fault(data: bytes, file: Image.Image) -> None:
    """Refuses what Pillow decodes though it is damaged: it checks no sums of a PNG, and tells no warning on a JPEG."""
    if file.format == "PNG":
        with _open(data) as again:
            again.verify()
    if file.format in ("JPEG", "MPO"):
        last = file.getpixel((file.width - 1, file.height - 1))
        last_pixel = last if isinstance(last, tuple) else (last,)
        if fault := jpeg.find_fault(data, last_pixel, partial(_has_same_pixels, file)):
            raise UserError(fault)


def _has_same_pixels(file: Image.Image, other: bytes) -> bool:
    with _open(other) as image:
        return image.tobytes() == file.tobytes()


def decode_one(data: bytes) -> torch.Tensor:
    """One image of a file's bytes, [3, H, W] uint8, decoded as those of decode_all().

    Raises:
      UserError: it cannot be decoded; the sentence is the reason alone.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        try:
            return _decode(data)
        except READ_OR_DECODE_ERRORS as error:
            raise UserError(_want(error) or _reason(error)) from error


def fit(image_CHW: torch.Tensor, image_size: int, crop: str) -> torch.Tensor:
    """What a network sees of an image, [3, S, S] uint8: the whole of it or its middle, resized."""
    return _resize(_crop(image_CHW, crop), image_size)


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


def bad_image_error(source: Source, image_id: str, reason: str) -> UserError:
    """What to say of an image that cannot be decoded."""
    return UserError(
        f"{where(source, image_id)} cannot be decoded ({reason}): put a whole copy in its place, or set on_bad_image "
        'to "skip" to leave such images out',
        "on_bad_image",
    )
