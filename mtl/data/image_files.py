"""Where the images are, in a folder or in a zip, and how one of them is read."""

import os
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from mtl.errors import UserError

IMAGES = "img_align_celeba"
ZIP_LOCK = Lock()  # a ZipFile's count of its open members is not made for threads


class ImageSource(NamedTuple):
    """Where pixels come from: a folder of files, or a zip and the folder inside it."""

    path: Path  # folder or zip file
    prefix: str  # "" for a folder; the folder inside the zip, "img_align_celeba/" usually


def find_images(folder: Path, ids: np.ndarray) -> ImageSource:
    """Finds the place that has all images; where none has, the error is about the first place."""
    names = ids.tolist()
    places = [folder / IMAGES / IMAGES, folder / IMAGES, folder / f"{IMAGES}.zip"]
    missing_at: list[tuple[Path, list[str]]] = []
    for place in places:
        if place.is_dir():
            source, present = ImageSource(place, ""), {entry.name for entry in os.scandir(place)}
        elif place.is_file():
            source, present = _list_zip(place, set(names))
        else:
            continue
        missing = [name for name in names if source.prefix + name not in present]
        if not missing:
            return source
        missing_at.append((place, missing))
    if not missing_at:
        raise UserError(f"neither the folder {IMAGES} nor {IMAGES}.zip is in {folder}: put the images there.")
    place, missing = missing_at[0]
    first = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
    raise UserError(f"{place} lacks {len(missing)} of {len(names)} images ({first}): unpack or download them again.")


def _list_zip(path: Path, names: set[str]) -> tuple[ImageSource, set[str]]:
    """The folder inside the zip where an image of `names` is first found, and all files of the zip."""
    try:
        with ZipFile(path) as archive:
            members = archive.namelist()
    except BadZipFile as error:
        raise UserError(f"{path} is not a whole zip file: download it again.") from error
    first = next((member for member in members if member.rpartition("/")[2] in names), f"{IMAGES}/")
    return ImageSource(path, first[: first.rfind("/") + 1]), set(members)


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
