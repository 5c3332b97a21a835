"""Writes small tables and their images, for tests to read."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mtl.data.table import Table
from mtl.data.tables.read import find_roles, read_tasks
from mtl.data.tables.text import TextTable, read_text

ROWS = 40


def write_images(folder: Path, names: Iterable[str], size: tuple[int, int] = (8, 8)) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (number * 20 % 256, number * 7 % 256, 99)
        Image.new("RGB", size, colour).save(path)


def columns(num_rows: int = ROWS) -> dict[str, list[str]]:
    """A binary, a class and a regression task, each with a gap; people have two images each."""
    rows = range(num_rows)
    made = {
        "file": [f"{row:03d}.png" for row in rows],
        "smiling": ["yes" if row % 3 else "no" for row in rows],
        "hair": ["black" if row % 2 else ("brown", "gray")[row % 4 // 2] for row in rows],
        "age": [f"{20 + row / 2:g}" for row in rows],
        "person": [f"p{row // 2}" for row in rows],
    }
    for name, row in (("smiling", 4), ("hair", 7), ("age", 9)):
        made[name][row] = ""
    return made


def write_table(path: Path, columns: dict[str, list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [[*columns], *zip(*columns.values(), strict=True)]
    path.write_bytes("".join(delimiter.join(row) + "\n" for row in rows).encode(encoding))
    return path


def write_all(folder: Path, columns: dict[str, list[str]]) -> Path:
    """The table and its images."""
    write_images(folder, columns["file"])
    return write_table(folder / "labels.csv", columns)


def read(path: Path, tasks: Sequence[str] = (), root: Path | None = None, roles: Sequence[str] = ("", "", "")) -> Table:
    return finish(read_text(path, root or path.parent), tasks, roles)


def finish(text: TextTable, tasks: Sequence[str] = (), roles: Sequence[str] = ("", "", "")) -> Table:
    return read_tasks(find_roles(text, *roles), tasks, seed=0)


def values(table: Table, name: str) -> np.ndarray:
    """A task's labels in its table's unit, NaN where one is missing."""
    k = table.attributes.index(name)
    kind = table.kinds[k]
    return np.where(table.mask[:, k], table.labels[:, k] * kind.std + kind.mean, np.nan)
