"""Photos are found in folders or by name, and read; whatever is none is named, and nothing waits for a pipe."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mtl.data.decoding import decode_one
from mtl.errors import UserError

# What is taken for a photo in a folder. Some cannot be decoded, and are named as such rather than passed over.
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".avif", ".heic", ".heif"),
)
MAX_BYTES = 512 * 2**20  # of a file; the largest photos of cameras have a fifth of that


def find_photos(places: Sequence[str | Path]) -> list[Path]:
    """The files that are meant, each once, in the order of `places` and in a folder by name.

    Args:
      places: files, folders (with the folders in them), and patterns such as `holiday/*.jpg`. A file is taken whatever
        its name is; in a folder, those with an image's ending.

    Raises:
      UserError: a place does not exist, or no photo is there.
    """
    return list(dict.fromkeys(path for place in places for path in _find(Path(place).expanduser())))


def _find(place: Path) -> list[Path]:
    if place.is_dir():
        found = sorted(path for path in _files(place) if path.suffix.lower() in ENDINGS)
        if not found:
            raise UserError(f"{place} holds no photos: no name in it ends in {', '.join(ENDINGS)}.")
        return found
    if os.path.lexists(place):
        return [place]
    # Path.glob would want a place without a root, and raises for a pattern such as a**b.
    matches = sorted(Path(match) for match in glob.glob(str(place), recursive=True))  # noqa: PTH207
    if not matches:
        raise UserError(f"{place} does not exist: give photos, folders of them, or a pattern that some match.")
    found = [path for path in matches if not path.is_dir()]
    if not found:
        raise UserError(f"{place} matches folders alone: give photos, or one of those folders.")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, without hidden ones; links to folders are not followed, as they can lead in circles."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def read_photo(path: Path) -> np.ndarray:
    """A photo as [H, W, 3] uint8, RGB and upright.

    Raises:
      UserError: it cannot be read, with the file and the reason.
    """
    try:
        return decode_photo(_read(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UserError as error:
        raise UserError(f"{path} cannot be read as a photo: {error}.") from error


def decode_photo(data: bytes) -> np.ndarray:
    """The photo of a file's bytes, [H, W, 3] uint8, RGB and upright.

    Raises:
      UserError: it cannot be decoded; the sentence is the reason alone.
    """
    return np.ascontiguousarray(decode_one(data).permute(1, 2, 0).numpy())


def _read(path: Path) -> bytes:
    """The bytes of a regular file. A pipe, which nobody may ever write to, or a device is not even opened."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError("it is no regular file")
    if status.st_size == 0:
        raise UserError("it is empty")
    if status.st_size > MAX_BYTES:
        raise UserError(f"it has {status.st_size / 2**20:,.0f} MiB, and at most {MAX_BYTES >> 20} are read")
    return path.read_bytes()
