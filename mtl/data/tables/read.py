"""A table of text becomes the table that is trained on."""

import sys
from collections.abc import Sequence
from functools import cache

import numpy as np

from mtl.data.parquet.columns import SPLIT_COLUMNS
from mtl.data.table import SPLITS, Table
from mtl.data.tables.finish import make_table
from mtl.data.tables.images import find_files, find_image_column
from mtl.data.tables.split import (
    GROUPS,
    UNKNOWN,
    draw_split,
    find_column,
    number_groups,
    read_split,
    refuse_groups_apart,
)
from mtl.data.tables.tasks import find_tasks, tasks_of_text
from mtl.data.tables.text import TextTable, require_columns
from mtl.errors import UserError
from mtl.kinds import Kind

SHOWN = 10  # classes that are named
NONE = "none"  # in place of a column's name: there is no such column


def find_roles(text: TextTable, image: str, split: str, group: str) -> TextTable:
    """The same table, knowing which columns are images, split and group.

    Args:
      text: what is found in it, or known of the data set, holds where nothing is said.
      image, split, group: names of columns; "" is found by common names, "none" says that there is none.

    Raises:
      UserError: if there is no such column.

    Example:
      >>> from pathlib import Path
      >>> columns = {"file": ["1.jpg"], "Partition": ["train"], "person_id": ["7"]}
      >>> find_roles(TextTable(Path("t.csv"), (), columns), "", "", "none")[3:6]
      ('file', 'Partition', '')
    """
    for name, argument in ((image, "image_column"), (split, "split_column"), (group, "group_column")):
        if name not in ("", NONE):
            require_columns(text, [name], argument)
    split = split or text.split or find_column(text, SPLIT_COLUMNS) or NONE
    group = group or text.group or find_column(text, GROUPS) or NONE
    return text._replace(
        image=image or text.image or find_image_column(text),
        split="" if split == NONE else split,
        group="" if group == NONE else group,
    )


def read_tasks(text: TextTable, tasks: Sequence[str], seed: int) -> Table:
    """The table of the tasks that are named, or found; what was found or drawn is said, once.

    Args:
      text: with its roles, as of `find_roles`.
      tasks: entries of data.tasks.
      seed: of the split, where it is drawn.

    Raises:
      UserError: for whatever is wrong with the table or its files.
    """
    source, ids = find_files(text, text.columns[text.image])
    text, ids = _each_once(text, ids)
    columns = tasks_of_text(text, ids.tolist(), tasks)
    group_N = number_groups(text.columns[text.group]) if text.group else np.full(len(ids), UNKNOWN, np.int32)
    told_N = read_split(text, text.split) if text.split else np.full(len(ids), UNKNOWN, np.int8)
    split_N = draw_split(told_N, group_N, columns, seed)
    if text.group:
        refuse_groups_apart(text, split_N, group_N)
    table = make_table(ids, source, split_N, group_N, columns)
    _say_once("\n".join(_findings(text, table, told_N, [] if tasks else [*find_tasks(text)[1].items()])))
    return table


def _each_once(text: TextTable, ids: np.ndarray) -> tuple[TextTable, np.ndarray]:
    """The rows without those that say again what an earlier one says of the same image.

    Raises:
      UserError: if they say something else.
    """
    _, first, number_of = np.unique(ids, return_index=True, return_inverse=True)
    if len(first) == len(ids):
        return text, ids
    for row in np.flatnonzero(first[number_of] != np.arange(len(ids))).tolist():
        before = int(first[number_of[row]])
        for name, cells in text.columns.items():
            if name != text.image and cells[row] != cells[before]:
                raise UserError(
                    f"{text.path} has {ids[row]} in two rows, with {cells[before]!r} and with {cells[row]!r} in the "
                    f"column {name}: leave one of them"
                )
    kept = np.sort(first).tolist()
    columns = {name: [cells[row] for row in kept] for name, cells in text.columns.items()}
    print(f"warning: {text.path} has {len(ids) - len(kept)} rows twice, which are read once", file=sys.stderr)
    return text._replace(columns=columns), ids[kept]


def _findings(text: TextTable, table: Table, told_N: np.ndarray, others: list[tuple[str, str]]) -> list[str]:
    numbers = ", ".join(f"{(table.split == index).sum():,} {split}" for index, split in enumerate(SPLITS))
    drawn = (told_N == UNKNOWN).any() and ("validation drawn from training" if (told_N >= 0).any() else "drawn")
    groups = f"; no {text.group} in two of them" if text.group else ""
    how = drawn or f"as {text.split} says"
    lines = [f"{text.path}: {len(table.ids):,} images ({numbers}; {how}{groups})"]
    lines += [f"  {name}: {describe(kind)}" for name, kind in zip(table.attributes, table.kinds, strict=True)]
    return lines + [f"  {name}: no task ({reason})" for name, reason in others]


def describe(kind: Kind) -> str:
    """A kind in words.

    Example:
      >>> describe(Kind("classes", ("cat", "dog"))), describe(Kind("regression", mean=30.5, std=2))
      ('2 classes (cat, dog)', 'regression (mean 30.5, standard deviation 2)')
    """
    if kind.name == "regression":
        return f"regression (mean {kind.mean:.4g}, standard deviation {kind.std:.4g})"
    names = f" ({', '.join(kind.classes[:SHOWN])}{', ...' * (len(kind.classes) > SHOWN)})" if kind.classes else ""
    return f"{len(kind.classes)} classes{names}" if kind.name == "classes" else f"binary{names}"


@cache
def _say_once(sentence: str) -> None:
    """Says it in the first run of a study; the others read the same table."""
    print(sentence, file=sys.stderr)
