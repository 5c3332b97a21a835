"""The tasks that are wanted, from the columns of a table of text or of attributes."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mtl.data.table import Table
from mtl.data.tables.cells import Cells, Column, find_kind, one_of, read_cells
from mtl.data.tables.entries import Entry, parse_entries
from mtl.data.tables.text import TextTable, require_columns
from mtl.errors import UserError, closest_of_many
from mtl.kinds import BINARY, Kind


def find_tasks(text: TextTable) -> tuple[dict[str, Kind], dict[str, str]]:
    """The kind of each column that is a task, and why each other one is none.

    Example:
      >>> from pathlib import Path
      >>> columns = {"file": ["1.jpg", "2.jpg"], "smiling": ["1", "0"], "note": ["a", "b"]}
      >>> find_tasks(TextTable(Path("labels.csv"), (), columns, image="file"))[1]
      {'file': 'the images', 'note': 'text that hardly returns'}
    """
    roles = {text.image: "the images", text.split: "the split", text.group: "the group"}
    found = {name: roles.get(name) or find_kind(cells) for name, cells in text.columns.items()}
    kinds = {name: kind for name, kind in found.items() if isinstance(kind, Kind)}
    return kinds, {name: reason for name, reason in found.items() if isinstance(reason, str)}


def tasks_of_text(text: TextTable, images: Sequence[str], tasks: Sequence[str]) -> list[Column]:
    """The tasks that are named, or all that are found, of a table of text.

    Args:
      text: its columns.
      images: [N], what sentences call its rows.
      tasks: entries of data.tasks; none for every column of which a kind is found.

    Raises:
      UserError: if there is no such column, it is not of the kind, or no column is a task.

    Example:
      >>> from pathlib import Path
      >>> columns = {"smiling": ["1", "0"], "age": ["7", ""], "note": ["a", "b"]}
      >>> text = TextTable(Path("labels.csv"), (), columns)
      >>> [(task.name, task.values_N.tolist()) for task in tasks_of_text(text, ["1.png", "2.png"], ["age=regression"])]
      [('age', [7.0, nan])]
    """

    def read(name: str, kind: Kind | None) -> Column:
        require_columns(text, [name], "tasks")
        cells = text.columns[name]
        found = kind or find_kind(cells)
        if isinstance(found, str):
            raise UserError(f"{text.path} has no task in the column {name} ({found}): take it out of tasks", "tasks")
        return read_cells(Cells(name, cells, images, str(text.path)), found)

    if tasks:
        return [_read(entry, read) for entry in parse_entries(tasks)]
    kinds, others = find_tasks(text)
    if not kinds:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in others.items())
        raise UserError(f"{text.path} has no column that is a task: {reasons}")
    return [read(name, kind) for name, kind in kinds.items()]


def columns_of_text(text: TextTable, tasks: Sequence[str]) -> tuple[list[Column], dict[str, str]]:
    """The tasks that are named and every other column of which a kind is found; and why each of the rest is none.

    Example:
      >>> from pathlib import Path
      >>> columns = {"file": ["1.png", "2.png"], "smiling": ["1", "0"], "age": ["7", ""]}
      >>> found, others = columns_of_text(TextTable(Path("labels.csv"), (), columns, image="file"), ["age=regression"])
      >>> [task.name for task in found], others
      (['age', 'smiling'], {'file': 'the images'})
    """
    images = text.columns[text.image]
    named = tasks_of_text(text, images, tasks) if tasks else []
    of_tasks = {column.name for column in named}
    kinds, others = find_tasks(text)
    found = [
        read_cells(Cells(name, text.columns[name], images, str(text.path)), kind)
        for name, kind in kinds.items()
        if name not in of_tasks
    ]
    return [*named, *found], {name: reason for name, reason in others.items() if name not in of_tasks}


def tasks_of_table(table: Table, tasks: Sequence[str]) -> list[Column]:
    """The tasks that are named, of a table of binary attributes such as CelebA's.

    Raises:
      UserError: if there is no such attribute, or it should be of another kind.

    Example:
      >>> from pathlib import Path
      >>> from mtl.data.image_files import ImageSource
      >>> labels, nobody = np.array([[True, False], [False, True]]), np.full(2, -1)
      >>> ids, names, split = np.array(["1", "2"]), ("Black_Hair", "Gray_Hair"), np.zeros(2, np.int8)
      >>> known, kinds = np.ones((2, 2), bool), (BINARY, BINARY)
      >>> table = Table(ids, ImageSource(Path("img"), ""), labels, known, split, nobody, names, kinds)
      >>> tasks_of_table(table, ["Hair=Black_Hair|Gray_Hair"])[0].values_N
      array([0., 1.])
    """
    columns: Mapping[str, int] = {name: number for number, name in enumerate(table.attributes)}

    def read(name: str, kind: Kind | None) -> Column:
        if name not in columns:
            near = " or ".join(closest_of_many(name, columns))
            raise UserError(f"there is no attribute {name!r}: did you mean {near}?", "tasks")
        if kind is not None and kind.name != BINARY.name:
            raise UserError(f"tasks says that {name} is {kind.name}, and it is binary here", "tasks")
        number = columns[name]
        values_N = np.where(table.mask[:, number], table.labels[:, number].astype(np.float64), np.nan)
        return Column(name, kind or table.kinds[number], values_N)

    return [_read(entry, read) for entry in parse_entries(tasks)]


def _read(entry: Entry, read: Callable[[str, Kind | None], Column]) -> Column:
    if not entry.columns:
        return read(entry.name, entry.kind)
    columns = [read(name, None) for name in entry.columns]
    other = next((column for column in columns if column.kind.name != BINARY.name), None)
    if other is not None:
        raise UserError(
            f"tasks makes {entry.name} of binary columns, and {other.name} has values of the kind {other.kind.name}: "
            f"to name classes, write '{entry.name}=classes:{'|'.join(entry.columns)}'",
            "tasks",
        )
    return one_of(entry.name, columns)
