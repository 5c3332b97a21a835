"""Data from whichever files: a pack with the chosen attributes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.data.attributes import attributes_table
from mtl.data.celeba import find_lists, read_table
from mtl.data.faces import VERSION, write_faces
from mtl.data.folds import take_fold
from mtl.data.hide import hide_labels
from mtl.data.pack import Pack, open_pack
from mtl.data.parquet.files import find_files
from mtl.data.parquet.table import read_parquet
from mtl.data.table import SPLITS, Table, select_attributes, settle
from mtl.data.tables.drawn import tabulate_faces
from mtl.data.tables.entries import parse_entries
from mtl.data.tables.finish import make_table
from mtl.data.tables.overview import overview
from mtl.data.tables.read import find_roles, read_tasks
from mtl.data.tables.sources import TABLES, open_table
from mtl.data.tables.split import training_rows
from mtl.data.tables.tasks import columns_of_text, tasks_of_table
from mtl.data.tables.text import TextTable
from mtl.errors import UserError
from mtl.record import locks

TABULAR = ("drawn", *TABLES)  # whose tasks are of any kind
SOURCES = ("faces", "celeba", *TABULAR)
ALL = ("all",)


class DataSettings(NamedTuple):
    """What data, and how it is prepared: `config.data`, see configs/default.py."""

    name: str
    root: Path
    table: str
    tasks: tuple[str, ...]
    image_column: str
    split_column: str
    group_column: str
    split_seed: int
    attributes: tuple[str, ...]
    image_size: int
    crop: str
    flip: bool
    max_shift: int
    on_bad_image: str
    cache: Path
    num_workers: int
    fold: str
    num_faces: int
    faces_seed: int
    label_noise: float
    label_fractions: tuple[str, ...]


def load_table(data: DataSettings) -> Table:
    """Reads faces' table with all its attributes, from lists or, where there are none, from parquet files.

    Drawn faces are drawn first if they are not there.

    Raises:
      UserError: for whatever is wrong with the files.
    """
    if data.name == "celeba":
        files = [] if find_lists(data.root) else find_files(data.root)
        return read_parquet(data.root, files) if files else read_table(data.root)
    # A folder for each set of faces, so that other settings never meet old files.
    folder = data.root / f"v{VERSION}_{data.num_faces}_seed{data.faces_seed}_noise{data.label_noise:g}"
    if not folder.exists():
        with locks.wait_for(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                write_faces(folder, data.num_faces, data.faces_seed, data.label_noise, data.num_workers)
    return read_table(folder)


def chosen_attributes(data: DataSettings, table: Table) -> tuple[str, ...]:
    """The attributes that are named; ("all",) means every one that the files have."""
    return table.attributes if data.attributes == ALL else data.attributes


def load_text(data: DataSettings) -> TextTable:
    """Opens a table of text, of the names in `TABULAR`, and finds out which columns are no tasks.

    Raises:
      UserError: for whatever is wrong with the file or its columns.
    """
    if data.name == "drawn":
        text = tabulate_faces(load_table(data), data.faces_seed)
    else:
        text = open_table(data.name, data.root, data.table)
    return find_roles(text, data.image_column, data.split_column, data.group_column)


def load_tasks(data: DataSettings) -> Table:
    """Reads the tasks that are trained: of a table those of `tasks`, or all; of faces those, or the attributes.

    Raises:
      UserError: for whatever is wrong with the files or the names, and mirror images of what has no mirror image.
    """
    if data.name in TABULAR:
        text = load_text(data)
        if data.flip and not text.mirrored_alike:
            raise UserError(
                f"flip mirrors training images, and {data.name} has other labels in a mirror: set flip to False, and "
                "mirrored too",
                "flip",
            )
        return read_tasks(text, data.tasks or text.tasks, data.split_seed)
    table = load_table(data)
    if data.tasks:
        return make_table(table.ids, table.source, table.split, table.identity, tasks_of_table(table, data.tasks))
    return select_attributes(table, chosen_attributes(data, table))


def describe_columns(data: DataSettings) -> str:
    """What `--job=attributes` says: the figures of every column of a table, or of every attribute of faces."""
    if data.name in TABULAR:
        text = load_text(data)
        columns, others = columns_of_text(text, data.tasks or text.tasks)
        chosen = [entry.name for entry in parse_entries(data.tasks or text.tasks)]
        return overview(columns, training_rows(text), chosen or [column.name for column in columns], others)
    table = load_table(data)
    if not data.tasks:
        return attributes_table(table, chosen_attributes(data, table))
    tasks = tasks_of_table(table, data.tasks)
    of_tasks = {column.name for column in tasks}
    columns = [column for column in tasks_of_table(table, table.attributes) if column.name not in of_tasks]
    rows = np.flatnonzero(table.split == SPLITS.index("train"))
    return overview([*tasks, *columns], rows, [column.name for column in tasks], {})


def prepare_table(data: DataSettings) -> Table:
    """Reads the tasks, takes the fold, and hides labels where that is asked for."""
    return hide_labels(take_fold(settle(load_tasks(data)), data.fold), data.label_fractions)


def load_pack(data: DataSettings) -> Pack:
    """The table of `prepare_table`, and its pixels opened.

    Raises:
      UserError: for whatever is wrong with files or settings, and if no task has a label in some split.
    """
    pack = open_pack(prepare_table(data), data.image_size, data.crop, data.cache, data.on_bad_image, data.num_workers)
    _refuse_unlabelled(pack.table)
    return pack


def _refuse_unlabelled(table: Table) -> None:
    """A task may lack labels in a split, where its scores are undefined; not all tasks may."""
    for index, name in enumerate(SPLITS):
        if not table.mask[table.split == index].any():
            names = ", ".join(table.attributes[:4]) + ", ..." * (len(table.attributes) > 4)
            raise UserError(
                f"no label of {names} is known in the {name} split, so nothing can be learnt or scored there: take "
                "other tasks, or files that have their labels"
            )
