"""Where the images are, in a folder, a zip or parquet files, and how one of them is read."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from mtl.data.parquet.images import ParquetImages, ParquetSource
from mtl.data.regular import read_regular, why
from mtl.data.zips import list_zip, read_member
from mtl.errors import UserError

IMAGES, PNG_IMAGES = "img_align_celeba", "img_align_celeba_png"  # PNG: CelebA's second archive, with the same lists
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # of `decoding.FORMATS`
MAX_BYTES = 64 * 2**20  # of an image's file; CelebA's have a thousandth of that


class ImageSource(NamedTuple):
    """Where pixels come from: a folder of files, or a zip and the folder inside it."""

    path: Path  # folder or zip file
    prefix: str  # "" for a folder; the folder inside the zip, "img_align_celeba/" usually


Source = ImageSource | ParquetSource


def find_images(folder: Path, ids: np.ndarray) -> tuple[ImageSource, np.ndarray]:
    """Finds the place that has all images; where none has, the error is about the first place.

    Returns:
      The place, and what the images are called there: their ids, but for the ending if they were saved in another
      format than the list says.
    """
    names = ids.tolist()
    lacking: list[tuple[ImageSource, set[str]]] = []
    for source, present in _list_places(folder, names):
        if present.issuperset(names):
            return source, ids
        lacking.append((source, present))
    if not lacking:
        raise UserError(f"neither the folder {IMAGES} nor {IMAGES}.zip is in {folder}: put the images there.")
    found = [(source, _with_other_endings(names, present)) for source, present in lacking]
    for source, there in found:
        if len(there) == len(names):
            _refuse_one_for_two(source, there)
            return source, np.array([there[name] for name in names])
    source, there = found[0]
    missing = [name for name in names if name not in there]
    first = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
    raise UserError(
        f"{source.path} lacks {len(missing)} of {len(names)} images ({first}): unpack or download them again."
    )


def _list_places(folder: Path, names: list[str]) -> Iterator[tuple[ImageSource, set[str]]]:
    """The places for images that there are, one after another, and what each holds."""
    for place in (folder / IMAGES / IMAGES, folder / IMAGES, folder / f"{IMAGES}.zip", folder / PNG_IMAGES):
        if place.is_dir():
            try:
                yield ImageSource(place, ""), {entry.name for entry in os.scandir(place)}
            except OSError as error:
                raise UserError(f"{place} cannot be read ({why(error)}): remove the cause, and try again.") from error
        elif place.is_file():
            prefix, present = list_zip(place, names)
            yield ImageSource(place, prefix), present


def _with_other_endings(names: list[str], present: set[str]) -> dict[str, str]:
    """What each image that is there is called: its name, or one with the first of `ENDINGS` that there is."""
    others: dict[str, list[str]] = {}
    for other in present.difference(names):
        if PurePath(other).suffix.lower() in ENDINGS:
            others.setdefault(PurePath(other).stem, []).append(other)
    found = {name: [name] if name in present else others.get(PurePath(name).stem, []) for name in names}
    return {name: min(files, key=_preference) for name, files in found.items() if files}


def _refuse_one_for_two(source: ImageSource, there: dict[str, str]) -> None:
    listed_as: dict[str, str] = {}
    for name, file in there.items():
        if file in listed_as:
            raise UserError(f"{source.path / file} is the only file for both {listed_as[file]} and {name}.")
        listed_as[file] = name


def _preference(name: str) -> tuple[int, str]:
    suffix = PurePath(name).suffix.lower()
    return ENDINGS.index(suffix) if suffix in ENDINGS else -1, name


def where(source: Source, name: str) -> str:
    """How a sentence names an image."""
    if isinstance(source, ParquetSource):
        return f"{name} of {source.files[source.place(name)[0]]}"
    return str(source.path / source.prefix / name)


def fingerprint_files(source: Source, names: list[str]) -> str:
    """A hash that changes when the images do: names in order, and sizes and times of the files that hold them."""
    if isinstance(source, ParquetSource):
        files = [path.stat() for path in source.files]
    elif source.path.is_dir():
        files = _stat_all(source, names)
    else:
        files = [source.path.stat()]
    inside = source.column if isinstance(source, ParquetSource) else source.prefix
    digest = hashlib.sha256("\n".join([inside, *names]).encode())
    digest.update(np.array([(file.st_size, file.st_mtime_ns) for file in files], dtype=np.int64).tobytes())
    return digest.hexdigest()


def _stat_all(source: ImageSource, names: list[str]) -> list[os.stat_result]:
    """Sizes and times of the images' files."""
    folders = {name[: name.rfind("/") + 1] for name in names}
    found = {folder + entry.name: entry for folder in folders for entry in os.scandir(source.path / folder)}
    stats = []
    for name in names:
        try:
            stats.append(found[name].stat())
        except OSError as error:  # a link to nothing, or in a circle
            raise cannot_be_read(source, name, why(error)) from error
    return stats


def reader(source: Source) -> Callable[[str], bytes]:
    """What reads images one after another: id -> bytes."""
    return ParquetImages(source).read if isinstance(source, ParquetSource) else partial(read_image, source)


def read_image(source: ImageSource, name: str) -> bytes:
    """The bytes of an image's file.

    Raises:
      Exception: one of a dozen types, see `decoding.READ_OR_DECODE_ERRORS`.
    """
    if source.path.is_dir():
        return read_regular(source.path / name, MAX_BYTES)
    return read_member(source.path, source.prefix + name, MAX_BYTES)


def cannot_be_read(source: Source, name: str, reason: str) -> UserError:
    """What to say of an image that could not even be read, which says nothing about what is in it."""
    return UserError(
        f"{where(source, name)} cannot be read ({reason}), which does not make it a bad image: remove the cause, and "
        "give the same command again."
    )
