"""Photos are found in folders or by name, and read; whatever is none is named, and nothing waits for a pipe."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mtl.data.decoding import decode_one
from mtl.data.regular import read_regular
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
    matches = sorted(_match(place))
    if not matches:
        raise UserError(f"{place} does not exist: give photos, folders of them, or a pattern that some match.")
    found = [path for path in matches if not path.is_dir()]
    if not found:
        raise UserError(f"{place} matches folders alone: give photos, or one of those folders.")
    return found


def _match(pattern: Path) -> Iterator[Path]:
    """What a pattern matches; `**` follows no link to a folder: two that lead in a circle would take for ever."""
    parts = [part if part == "**" else part.replace("**", "*") for part in pattern.parts]
    if "**" not in parts:  # Path.glob would want a place without a root
        yield from map(Path, glob.glob(str(Path(*parts))))  # noqa: PTH207
        return
    number = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    folder = Path(*parts[:number])
    for path in folder.glob(str(Path(*parts[number:]))):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


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
        return decode_photo(read_regular(path, MAX_BYTES))
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
