"""A CSV, TSV or parquet file becomes columns of text, nothing of which is understood yet."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mtl.data.parquet.files import READ_ERRORS, open_parquet, unreadable
from mtl.data.regular import check_size
from mtl.errors import UserError, closest_of_many

DELIMITERS = {".csv": ",", ".tsv": "\t"}
OTHERS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
PARQUET = ".parquet"
MAX_BYTES = 2**30  # of a table


class TextTable(NamedTuple):
    """Columns of text, and which of them are no tasks; "" where that is still to be found."""

    path: Path  # of the file, or of a data set's folder: what sentences name
    folders: tuple[Path, ...]  # where its paths may start
    columns: dict[str, list[str]]  # name -> [N] cells, without white space around them
    image: str = ""
    split: str = ""
    group: str = ""
    tasks: tuple[str, ...] = ()  # what is learnt of it if nothing else is said, as entries of data.tasks
    mirrored_alike: bool = True  # whether an image and its mirror image have the same labels


def read_text(path: Path, root: Path) -> TextTable:
    """Reads the cells of a table whose first line names its columns.

    A column without a name, such as the row numbers that pandas writes, is left out.

    Args:
      path: of a .csv, .tsv or .parquet file.
      root: where its images may lie, if not beside it.

    Raises:
      UserError: if there is no such file, or it is not what its ending says.
    """
    if path.suffix.lower() not in (*DELIMITERS, PARQUET):
        raise UserError(f"{path} must end with .csv, .tsv or .parquet, which says how its columns are told", "table")
    if not path.is_file():
        raise UserError(f"there is no file {path}: give the table of the images' labels", "table")
    try:
        check_size(path.stat().st_size, MAX_BYTES)
    except UserError as error:
        raise UserError(f"{path} cannot be read ({error}): give the table of the images' labels", "table") from error
    columns = _read_parquet(path) if path.suffix.lower() == PARQUET else _read_lines(path)
    if not columns:
        raise UserError(f"{path} names no column in its first line")
    if not next(iter(columns.values())):
        raise UserError(f"{path} has no row under the names of its columns")
    return TextTable(path, (root, path.parent), columns)


def require_columns(text: TextTable, names: Iterable[str], argument: str) -> None:
    """Refuses a name that no column has.

    Raises:
      UserError: with the names closest to it.

    Example:
      >>> require_columns(TextTable(Path("labels.csv"), (), {"smiling": ["1"], "age": ["7"]}), ["smilin"], "tasks")
      Traceback (most recent call last):
      mtl.errors.UserError: labels.csv has no column 'smilin': did you mean smiling or age?
    """
    for name in names:
        if name not in text.columns:
            near = " or ".join(closest_of_many(name, text.columns))
            raise UserError(f"{text.path} has no column {name!r}: did you mean {near}?", argument)


def _read_lines(path: Path) -> dict[str, list[str]]:
    delimiter = DELIMITERS[path.suffix.lower()]
    rows = _split_lines(path, delimiter)
    header = [name.strip() for name in next(rows, [])]
    _check_header(path, header, delimiter)
    cells: list[list[str]] = [[] for _ in header]
    known: dict[str, str] = {}  # each text once in memory: most cells are one of a few
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            if not any(row):
                continue  # an empty line
            raise UserError(
                f"row {number} of {path} has {len(row)} fields, where its first line names {len(header)} columns: "
                f'a field that has {OTHERS[delimiter]} in it must stand in "quotation marks"'
            )
        for column, cell in zip(cells, row, strict=True):
            column.append(known.setdefault(cell, cell.strip()))
    return {name: column for name, column in zip(header, cells, strict=True) if name}


def _split_lines(path: Path, delimiter: str) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file, delimiter=delimiter, strict=True)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not in UTF-8 ({_where(path, error)}): save it as CSV UTF-8, or convert it with iconv"
        ) from error
    except csv.Error as error:
        raise UserError(f"{path} is no whole {path.suffix[1:].upper()} file ({error})") from error


def _where(path: Path, error: UnicodeDecodeError) -> str:
    """Where the first byte stands that is not UTF-8, and what the file may be in."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it begins as UTF-16 does"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as whole:  # the other was found in a piece of the file
        error = whole
    return f"byte 0x{data[error.start]:02x} in line {data[: error.start].count(10) + 1}, as Windows-1252 may have"


def _check_header(path: Path, header: list[str], delimiter: str) -> None:
    others = {other: header[0].count(other) for other in OTHERS if header and other != delimiter}
    if len(header) == 1 and any(others.values()):
        other = max(others, key=others.__getitem__)
        raise UserError(
            f"{path} has one column where it is split at {OTHERS[delimiter]}, and its first line has "
            f"{others[other]} {OTHERS[other]}: save it with {OTHERS[delimiter]}"
            + (", or give its name the ending .tsv" * (other == "\t"))
            + (", or give its name the ending .csv" * (other == ","))
        )
    if any(header):
        name, count = Counter(filter(None, header)).most_common(1)[0]
        if count > 1:
            raise UserError(f"{path} has {count} columns called {name!r}: give each a name of its own")


def _read_parquet(path: Path) -> dict[str, list[str]]:
    """The columns of a parquet file whose cells are numbers, text or truth; lists, structs and bytes are left out."""
    from pyarrow import types

    file = open_parquet(path)
    no_text = (types.is_nested, types.is_binary, types.is_large_binary)
    names = [field.name for field in file.schema_arrow if not any(is_(field.type) for is_ in no_text)]
    try:
        read = file.read(names, use_threads=False)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error
    return {
        name: ["" if cell is None else str(cell).strip() for cell in read.column(name).to_pylist()] for name in names
    }
