"""CelebA's parquet files become one table; of the images, no more is read than that there are some."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.data.lists import ABSENT, EMPTY, PRESENT, ZERO
from mtl.data.parquet.columns import Columns, find_columns, refuse_other_columns
from mtl.data.parquet.files import READ_ERRORS, SPLIT_WORDS, open_parquet, split_of, unreadable
from mtl.data.parquet.images import BATCH, ParquetSource, leaf
from mtl.data.table import SPLITS, Table
from mtl.errors import UserError
from mtl.kinds import BINARY

CODES, BAD = {1.0: PRESENT, -1.0: ABSENT, 0.0: ZERO}, 255
SPLIT_VALUES = {**SPLIT_WORDS, **{str(index): index for index in range(len(SPLITS))}}


class Rows(NamedTuple):
    """What one file says of its n images."""

    names: list[str] | None  # what they are called, where the file says it
    codes_nK: np.ndarray  # uint8, of the labels
    split_n: np.ndarray  # int8
    identity_n: np.ndarray  # int32


def read_parquet(root: Path, files: Sequence[Path]) -> Table:
    """Reads the labels of a data set in parquet files, such as the hub has of CelebA in several layouts.

    An image is a column of bytes, alone or in a struct. A label is a column of its own (a boolean, or 1 and either
    -1 or 0; missing where it is null) or stands in a list of all 40. The split stands in a column or in the name of
    the file or its folder. People are known where a column says who they are. Images are called what a column or
    their path says, and are in the order of these names, which is that of CelebA's own lists, if they are so in each
    file; where nothing tells the names, they are called by split and number.

    Args:
      root: the folder that the files were found in.
      files: the files, split by split; the same columns in each.

    Returns:
      All rows and all attributes.

    Raises:
      UserError: if a file is missing something, or has something that should not be there.
    """
    columns = find_columns(files[0], open_parquet(files[0]).schema_arrow)
    _refuse_paths_alone(files[0], columns.image)
    read = [_read_rows(path, columns, files[0]) for path in files]
    labels, mask = _decode(root, files, read, columns.attributes)
    split = np.concatenate([rows.split_n for rows in read])
    for index, name in enumerate(SPLITS):
        if not (split == index).any():
            raise UserError(
                f"{root} has no image of the {name} split: each split needs some, in files named after it or told by a "
                "column split."
            )
    first_rows = np.cumsum([0, *(len(rows.split_n) for rows in read)])
    ids, order = _name_rows(root, read, columns.id)
    rows = dict(zip(ids, range(len(ids)), strict=True))
    source = ParquetSource(root, tuple(files), first_rows[:-1], columns.image, rows)
    identity = np.concatenate([rows.identity_n for rows in read])
    return Table(
        np.array(ids)[order],
        source,
        labels[order],
        mask[order],
        split[order],
        identity[order],
        columns.attributes,
        (BINARY,) * len(columns.attributes),
    )


def _refuse_paths_alone(path: Path, column: str) -> None:
    try:
        first = next(open_parquet(path).iter_batches(BATCH, columns=[column], use_threads=False), None)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error
    if first is not None and leaf(first.column(0), column).null_count == len(first):
        raise UserError(f"{path} has the names of its images and not the images: get it with the images in it.")


def _read_rows(path: Path, columns: Columns, first: Path) -> Rows:
    """Reads all but the images of a file, which must have the columns of the first."""
    file = open_parquet(path)  # closed again afterwards: what 25 files say of their row groups may take 100 MB
    refuse_other_columns(path, find_columns(path, file.schema_arrow), first, columns)
    try:
        table = file.read(columns.beside_images(), use_threads=False)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error
    column_of = {name: _column(table, name) for name in columns.beside_images()}
    split = split_of(path)
    if columns.split is None and split is None:
        raise UserError(
            f"{path} does not say of which split it is: neither its name nor its folder's has train, validation or "
            "test in it, and it has no column split or partition."
        )
    return Rows(
        _names(column_of, columns),
        _codes(path, column_of, columns),
        np.full(len(table), split, np.int8)
        if columns.split is None
        else _split(path, columns.split, column_of[columns.split]),
        np.full(len(table), -1, np.int32)
        if columns.identity is None
        else _identity(path, columns.identity, column_of[columns.identity]),
    )


def _column(table: Any, name: str) -> Any:
    return leaf(table.column(name.partition(".")[0]).combine_chunks(), name)


def _names(column_of: dict[str, Any], columns: Columns) -> list[str] | None:
    """The last parts of the paths; None if there are none, or not of all images."""
    column = columns.id or columns.path
    if column is None or column_of[column].null_count:
        return None
    return [str(value).rpartition("/")[2] for value in column_of[column].to_pylist()]


def _codes(path: Path, column_of: dict[str, Any], columns: Columns) -> np.ndarray:
    """The labels of each image, [n, K]."""
    num_attributes = len(columns.attributes)
    if len(columns.labels) == num_attributes:
        values = [_numbers(path, name, column_of[name]) for name in columns.labels]
        values_nK = np.stack(values, axis=1)
    else:
        (name,) = columns.labels
        lists = column_of[name]
        lengths = lists.value_lengths().fill_null(0).to_numpy(False)
        if (lengths != num_attributes).any():
            row = np.flatnonzero(lengths != num_attributes)[0]
            raise UserError(
                f"row {row} of {path} has {lengths[row]} labels in {name}, where {num_attributes} should be."
            )
        values_nK = _numbers(path, name, lists.flatten()).reshape(-1, num_attributes)
    codes_nK = np.full(values_nK.shape, BAD, np.uint8)
    codes_nK[np.isnan(values_nK)] = EMPTY
    for value, code in CODES.items():
        codes_nK[values_nK == value] = code
    bad = np.argwhere(codes_nK == BAD)
    if len(bad):
        row, k = bad[0]
        raise UserError(
            f"row {row} of {path} has {values_nK[row, k]:g} as its label of {columns.attributes[k]}, where true or "
            "false, 1 or -1, 1 or 0 or, for a missing one, nothing should be."
        )
    return codes_nK


def _numbers(path: Path, name: str, column: Any) -> np.ndarray:
    """The values as float64, NaN where there is none."""
    from pyarrow import types

    try:
        return (column.cast("uint8") if types.is_boolean(column.type) else column).cast("float64").to_numpy(False)
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"{path} has {column.type} in the column {name}, where numbers should be.") from error


def _decode(
    root: Path, files: Sequence[Path], read: Sequence[Rows], attributes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The labels and their mask, each [N, K] bool; absent is -1 or 0, and the same everywhere."""
    at = {code: [np.argwhere(rows.codes_nK == code)[:1] for rows in read] for code in (ABSENT, ZERO)}
    found = {
        code: f"{attributes[places[number][0, 1]]} in {files[number].name}"
        for code, places in at.items()
        if (number := next((number for number, place in enumerate(places) if len(place)), None)) is not None
    }
    if len(found) == 2:
        raise UserError(
            f"{root} has two kinds of labels, -1 ({found[ABSENT]}) and 0 or false ({found[ZERO]}): absent must be "
            "written in one way, and a missing label as nothing."
        )
    codes_NK = np.concatenate([rows.codes_nK for rows in read])
    return codes_NK == PRESENT, codes_NK != EMPTY


def _split(path: Path, name: str, column: Any) -> np.ndarray:
    values = [str(value).lower() for value in column.to_pylist()]
    split_n = np.array([SPLIT_VALUES.get(value, -1) for value in values], dtype=np.int8)
    bad = np.flatnonzero(split_n < 0)
    if len(bad):
        raise UserError(
            f"row {bad[0]} of {path} has {values[bad[0]]!r} in the column {name}, where train, valid or test (0, 1, 2) "
            "should be."
        )
    return split_n


def _identity(path: Path, name: str, column: Any) -> np.ndarray:
    numbers = _numbers(path, name, column)
    people = np.where(np.isnan(numbers), -1, numbers)
    bad = np.flatnonzero((people != np.floor(people)) | (people < -1) | (people > np.iinfo(np.int32).max))
    if len(bad):
        raise UserError(
            f"row {bad[0]} of {path} has {people[bad[0]]:g} in the column {name}, where the number of a person should "
            "be."
        )
    return people.astype(np.int32)


def _name_rows(root: Path, read: Sequence[Rows], id_column: str | None) -> tuple[list[str], np.ndarray]:
    """A name for each row, all different, and the order in which the table has them."""
    split = np.concatenate([rows.split_n for rows in read])
    told = [rows.names for rows in read if rows.names is not None]
    names = [name for each in told for name in each]
    if len(names) == len(split):
        if len(set(names)) == len(names):
            in_order = all(each == sorted(each) for each in told)
            return names, np.argsort(np.array(names), kind="stable") if in_order else np.arange(len(names))
        if id_column is not None:
            name, count = Counter(names).most_common(1)[0]
            raise UserError(f"{root} has {name} {count} times in the column {id_column}: a file may be there twice.")
    numbers = np.zeros(len(split), dtype=int)  # within the split, so that they are the same in fewer, larger files
    for index in range(len(SPLITS)):
        numbers[split == index] = np.arange((split == index).sum())
    rows = zip(split.tolist(), numbers.tolist(), strict=True)
    return [f"{SPLITS[index]}_{number:06d}" for index, number in rows], np.arange(len(split))
