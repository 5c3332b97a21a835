"""Where the images are, in a folder, a zip or parquet files, and how one of them is read."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path, PurePath
from threading import Lock
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from mtl.data.parquet.images import ParquetImages, ParquetSource
from mtl.errors import UserError

IMAGES, PNG_IMAGES = "img_align_celeba", "img_align_celeba_png"  # PNG: CelebA's second archive, with the same lists
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # of `decoding.FORMATS`
ZIP_LOCK = Lock()  # a ZipFile's count of its open members is not made for threads


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
            yield ImageSource(place, ""), {entry.name for entry in os.scandir(place)}
        elif place.is_file():
            yield list_zip(place, names)


def _with_other_endings(names: list[str], present: set[str]) -> dict[str, str]:
    """What each image that is there is called: its name, or one with the first of `ENDINGS` that there is."""
    others: dict[str, list[str]] = {}
    for other in present.difference(names):
        if PurePath(other).suffix.lower() in ENDINGS:
            others.setdefault(PurePath(other).stem, []).append(other)
    found = {name: [name] if name in present else others.get(PurePath(name).stem, []) for name in names}
    return {name: min(files, key=_preference) for name, files in found.items() if files}


def _preference(name: str) -> tuple[int, str]:
    suffix = PurePath(name).suffix.lower()
    return ENDINGS.index(suffix) if suffix in ENDINGS else -1, name


def list_zip(path: Path, names: list[str]) -> tuple[ImageSource, set[str]]:
    """The folder inside the zip where an image is first found, under its own name if any is, and what it holds."""
    members = zip_members(path)
    own, stems = set(names), {PurePath(name).stem for name in names}
    named = (member for member in members if member.rpartition("/")[2] in own)
    alike = (member for member in members if PurePath(member).stem in stems and not member.endswith("/"))
    first = next(named, None) or next(alike, f"{IMAGES}/")
    prefix = first[: first.rfind("/") + 1]
    return ImageSource(path, prefix), {member.removeprefix(prefix) for member in members if member.startswith(prefix)}


def zip_members(path: Path) -> list[str]:
    """The names of all that is in a zip."""
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except BadZipFile as error:
        raise UserError(f"{path} is not a whole zip file: download it again.") from error


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
        stats = {
            folder + entry.name: entry.stat()
            for folder in {name[: name.rfind("/") + 1] for name in names}
            for entry in os.scandir(source.path / folder)
        }
        files = [stats[name] for name in names]
    else:
        files = [source.path.stat()]
    inside = source.column if isinstance(source, ParquetSource) else source.prefix
    digest = hashlib.sha256("\n".join([inside, *names]).encode())
    digest.update(np.array([(file.st_size, file.st_mtime_ns) for file in files], dtype=np.int64).tobytes())
    return digest.hexdigest()


def reader(source: Source) -> Callable[[str], bytes]:
    """What reads images one after another: id -> bytes."""
    return ParquetImages(source).read if isinstance(source, ParquetSource) else partial(read_image, source)


def read_image(source: ImageSource, name: str) -> bytes:
    """The bytes of an image's file."""
    if source.path.is_dir():
        return (source.path / name).read_bytes()
    with ZIP_LOCK:
        return open_zip(source.path).read(source.prefix + name)


@lru_cache(maxsize=1)
def open_zip(path: Path) -> ZipFile:
    """Opens a zip once per pack, since listing 202,599 files takes a second."""
    return ZipFile(path)
