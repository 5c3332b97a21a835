"""What a reader makes of files: one table of ids, labels, split and identity, whatever the labels are."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from mtl.data.image_files import Source
from mtl.errors import UserError, closest_of_many, shown
from mtl.kinds import Kind, all_binary

SPLITS = ("train", "valid", "test")
MAX_LETTERS = 200  # of a task's name


class Table(NamedTuple):
    """N images and their K labels."""

    ids: np.ndarray  # [N] str: "000001.jpg", what the file is called
    source: Source
    labels: np.ndarray  # [N, K] bool where all are binary; else float32: 0 or 1, a class's number, (y - mean) / std
    mask: np.ndarray  # [N, K] bool: the label is known
    split: np.ndarray  # [N] int8: index into SPLITS
    identity: np.ndarray  # [N] int32: number of the person, -1 where unknown
    attributes: tuple[str, ...]  # [K] names
    kinds: tuple[Kind, ...]  # [K] what their labels are


def select_attributes(table: Table, names: Sequence[str] | Literal["all"]) -> Table:
    """The same images with the attributes named, in the order of the names; `"all"` leaves the table as it is.

    Raises:
      UserError: if there is no name, a name occurs twice, or there is no such attribute.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels, nobody = np.array([[True, False], [False, True]]), np.full(2, -1)
      >>> ids, names, split = np.array(["1", "2"]), ("Male", "Smiling"), np.zeros(2, np.int8)
      >>> table = Table(ids, ImageSource(None, ""), labels, np.ones((2, 2), bool), split, nobody, names, (BINARY,) * 2)
      >>> select_attributes(table, "Smiling").labels.tolist()
      [[False], [True]]
    """
    if names == "all":
        return table
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names:
        raise UserError("there is no attribute: name at least one, or all", "attributes")
    refuse_twice(names, "attributes", "attributes")
    for name in names:
        if name not in table.attributes:
            near = closest_of_many(name, table.attributes)
            raise UserError(f"there is no attribute {name!r}: did you mean {' or '.join(near)}?", "attributes")
    columns = [table.attributes.index(name) for name in names]
    kinds = tuple(table.kinds[column] for column in columns)
    labels = table.labels[:, columns]
    if all_binary(kinds):
        labels = labels.astype(bool)  # as if the others had never been there
    return table._replace(labels=labels, mask=table.mask[:, columns], attributes=names, kinds=kinds)


def take_rows(table: Table, rows: np.ndarray) -> Table:
    """The same attributes of the images in `rows`, [M] int, in the order of `rows`.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels, nobody = np.array([[True, False], [False, True]]), np.full(2, -1)
      >>> ids, names, split = np.array(["1", "2"]), ("Male", "Smiling"), np.zeros(2, np.int8)
      >>> table = Table(ids, ImageSource(None, ""), labels, np.ones((2, 2), bool), split, nobody, names, (BINARY,) * 2)
      >>> take_rows(table, np.array([1])).ids.tolist()
      ['2']
    """
    return table._replace(
        ids=table.ids[rows],
        labels=table.labels[rows],
        mask=table.mask[rows],
        split=table.split[rows],
        identity=table.identity[rows],
    )


def settle(table: Table) -> Table:
    """The same table with labels that are NaN as missing ones, which is what they are.

    Raises:
      UserError: for a label that is infinite, and a name that nobody can read.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import Kind
      >>> labels, split, nobody = np.array([[0.5], [np.nan]], np.float32), np.zeros(2, np.int8), np.full(2, -1)
      >>> ids, kinds, known = np.array(["1", "2"]), (Kind("regression"),), np.ones((2, 1), bool)
      >>> settle(Table(ids, ImageSource(None, ""), labels, known, split, nobody, ("age",), kinds)).mask.tolist()
      [[True], [False]]
    """
    for name in table.attributes:
        if not name.strip() or not name.isprintable() or len(name) > MAX_LETTERS:
            raise UserError(
                f"there is an attribute called {shown(name)}: give it a name of 1 to {MAX_LETTERS} letters that can be "
                "printed, or choose others"
            )
    if table.labels.dtype == bool:
        return table
    mask = table.mask & ~np.isnan(table.labels)
    rows, columns = np.nonzero(mask & np.isinf(table.labels))
    if len(rows):
        where = f"{table.attributes[columns[0]]} of {table.ids[rows[0]]}"
        raise UserError(f"the label {where} is infinite: give a number, or nothing where it is not known")
    return table._replace(labels=np.where(mask, table.labels, 0).astype(np.float32), mask=mask)


def refuse_twice(names: Sequence[str], where: str, argument: str | None = None) -> None:
    """Refuses a name that occurs twice.

    Raises:
      UserError: with the first one that does.

    Example:
      >>> refuse_twice(["Male", "Young", "Male"], "the list")
      Traceback (most recent call last):
      mtl.errors.UserError: the list has Male 2 times: name it once
    """
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UserError(f"{where} has {name} {count} times: name it once", argument)
