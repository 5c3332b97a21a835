"""The paths in a table's column become images in a folder: what is there, what is not, and what leads elsewhere."""

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtl.data.image_files import ENDINGS, ImageSource
from mtl.data.tables.text import TextTable
from mtl.data.zips import list_zip, names_in_zip
from mtl.errors import UserError

NAMES = (
    *("image", "image_path", "image_file", "image_id", "image_name", "img", "img_path"),
    *("path", "file_path", "filepath", "file", "file_name", "filename"),
)
SHOWN = 3  # of the paths that are not there


def find_image_column(text: TextTable) -> str:
    """The column of the images' paths: by its name, or the only one whose cells all end as images do.

    Raises:
      UserError: if there is none, or more than one.
    """
    by_name = {name.lower().replace(" ", "_").replace("-", "_"): name for name in text.columns}
    named = [by_name[name] for name in NAMES if name in by_name]
    paths = [name for name in named or text.columns if text.columns[name][0].lower().endswith(ENDINGS)]
    if len(paths) == 1 or named:
        return (paths or named)[0]
    found = f"the columns {', '.join(paths)} may be" if paths else "no column seems to be"
    raise UserError(f"{text.path}: {found} that of the images' paths; name it", "image_column")


def find_files(text: TextTable, paths: Sequence[str]) -> tuple[ImageSource, np.ndarray]:
    """Where the images lie, and what each is called there.

    Args:
      text: with the folders, or zips, where paths may start; that is taken in which most images are.
      paths: [N], one per row.

    Returns:
      The place, and [N] str.

    Raises:
      UserError: if a path leads out of the folder, or some images are not there.
    """
    places = [place for place in dict.fromkeys(text.folders) if place.is_dir() or _is_zip(place)]
    if not places:
        raise UserError(f"there is no folder {text.folders[0]}: set root to the folder of the images", "root")
    looked = [(place, *_look(place, [_inside(place, path) for path in paths])) for place in places]
    place, source, missing = min(looked, key=lambda each: len(each[2]))
    names = [_inside(place, path) for path in paths]
    outside = next((path for path, name in zip(paths, names, strict=True) if name is None), None)
    if outside is not None:
        raise UserError(
            f"{text.path} has the path {outside!r}, which leads out of {place}: images lie in it or its folders, "
            "so set root to a folder that has them all",
            "root",
        )
    if missing:
        first = ", ".join(missing[:SHOWN]) + ", ..." * (len(missing) > SHOWN)
        raise UserError(
            f"{len(missing)} of the {len(paths)} images of {text.path} are not in {place} ({first}): set root to the "
            "folder where their paths start, or take their rows out",
            "root",
        )
    return source, np.array(names)


def _is_zip(place: Path) -> bool:
    return place.suffix.lower() == ".zip" and place.is_file()


def _inside(place: Path, path: str) -> str | None:
    """A path as it is called in a folder, in one spelling; None if it leads out of it."""
    start = posixpath.normpath(place.absolute().as_posix()) + "/"
    whole = posixpath.normpath(posixpath.join(start, path.replace("\\", "/")))
    return whole.removeprefix(start) if whole.startswith(start) else None


def _look(place: Path, names: Sequence[str | None]) -> tuple[ImageSource, list[str]]:
    """What is read from there, and what is not there. Names without folders may lie in any one folder of a zip."""
    inside = [name for name in names if name is not None]
    source = ImageSource(place, "")
    if place.is_dir():
        present = _list_folders(place, inside)
    elif any("/" in name for name in inside):
        present = names_in_zip(place, inside)
    else:
        prefix, present = list_zip(place, inside)
        source = ImageSource(place, prefix)
    return source, [name or "" for name in names if name not in present]


def _list_folders(place: Path, names: Sequence[str]) -> set[str]:
    """The files in the folders of these names; each is listed once, since to ask for 200,000 one by one is slow."""
    folders = {name[: name.rfind("/") + 1] for name in names}
    there = [folder for folder in folders if (place / folder).is_dir()]
    return {folder + entry.name for folder in there for entry in os.scandir(place / folder) if entry.is_file()}
