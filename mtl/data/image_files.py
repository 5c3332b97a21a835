"""Where the images are, in a folder or in a zip, and how one of them is read."""

import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from mtl.errors import UserError

IMAGES = "img_align_celeba"


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
        members = zip_members(path)
    except BadZipFile as error:
        raise UserError(f"{path} is not a whole zip file: download it again.") from error
    first = next((member for member in members if member.rpartition("/")[2] in names), f"{IMAGES}/")
    return ImageSource(path, first[: first.rfind("/") + 1]), set(members)


def zip_members(path: Path) -> list[str]:
    """Names of all members of a zip, read from its central directory.

    `zipfile` makes an object of every member, a second for CelebA's 202,599; it is left what is not a plain zip: one
    over 4 GiB, or one with something before it.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22 - 65_535))  # the end record, and the longest comment after it
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        size, offset = struct.unpack_from("<2L", tail, end + 12) if 0 <= end <= len(tail) - 22 else (0, 0)
        file.seek(offset)
        directory = file.read(size)
    names, at = [], 0
    while directory[at : at + 4] == b"PK\x01\x02" and at + 46 <= size:
        name_length, extra_length, comment_length = struct.unpack_from("<3H", directory, at + 28)
        names.append(directory[at + 46 : at + 46 + name_length].decode("utf-8", "replace"))
        at += 46 + name_length + extra_length + comment_length
    if names and at == size:
        return names
    with ZipFile(path) as archive:
        return archive.namelist()


def read_image(source: ImageSource, name: str) -> bytes:
    """The bytes of an image's file."""
    if source.path.is_dir():
        return (source.path / name).read_bytes()
    return open_zip(source.path).read(source.prefix + name)


@lru_cache(maxsize=1)
def open_zip(path: Path) -> ZipFile:
    """Opens a zip once per process and pack, since listing 202,599 files takes a second."""
    return ZipFile(path)
