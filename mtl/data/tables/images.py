"""The paths in a table's column become images in a folder: what is there, what is not, and what leads elsewhere."""

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtl.data.image_files import ENDINGS, ImageSource
from mtl.data.tables.text import TextTable
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
      text: with the folders where paths may start; that is taken in which most images are.
      paths: [N], one per row.

    Returns:
      The place, and [N] str.

    Raises:
      UserError: if a path leads out of the folder, or some images are not there.
    """
    folders = [folder for folder in dict.fromkeys(text.folders) if folder.is_dir()]
    found = [_missing(folder, [_inside(folder, path) for path in paths]) for folder in folders]
    if not folders:
        raise UserError(f"there is no folder {text.folders[0]}: set root to the folder of the images", "root")
    best = min(range(len(folders)), key=lambda index: len(found[index]))
    folder, missing = folders[best], found[best]
    names = [_inside(folder, path) for path in paths]
    outside = next((path for path, name in zip(paths, names, strict=True) if name is None), None)
    if outside is not None:
        raise UserError(
            f"{text.path} has the path {outside!r}, which leads out of {folder}: images lie in it or its folders, "
            "so set root to a folder that has them all",
            "root",
        )
    if missing:
        first = ", ".join(map(str, missing[:SHOWN])) + ", ..." * (len(missing) > SHOWN)
        raise UserError(
            f"{len(missing)} of the {len(paths)} images of {text.path} are not in {folder} ({first}): set root to the "
            "folder where their paths start, or take their rows out",
            "root",
        )
    return ImageSource(folder, ""), np.array(names)


def _inside(folder: Path, path: str) -> str | None:
    """A path as it is called in a folder, in one spelling; None if it leads out of it."""
    start = posixpath.normpath(folder.absolute().as_posix()) + "/"
    whole = posixpath.normpath(posixpath.join(start, path.replace("\\", "/")))
    return whole.removeprefix(start) if whole.startswith(start) else None


def _missing(folder: Path, names: Sequence[str | None]) -> list[str]:
    """Those that are not there; each folder is listed once, since to ask for 200,000 files one by one is slow."""
    present: set[str] = set()
    for parent in {name[: name.rfind("/") + 1] for name in names if name is not None}:
        if (folder / parent).is_dir():
            present.update(parent + entry.name for entry in os.scandir(folder / parent) if entry.is_file())
    return [name or "" for name in names if name not in present]
