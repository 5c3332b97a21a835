"""The images in parquet files: a few rows of a file are in memory at once, however many it has."""

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.data.parquet.files import READ_ERRORS, open_parquet, unreadable

BATCH = 32  # rows that are in memory together: 1.5 MB of PNG
MAX_OPEN = 3  # files at once: where each split has its own, names in order go from one to the other


class ParquetSource(NamedTuple):
    """Where pixels come from: a column of some files."""

    path: Path  # the folder
    files: tuple[Path, ...]  # [F]
    first_rows: np.ndarray  # [F] int: how many rows the files before it have
    column: str  # "image.bytes", or "image"
    rows: dict[str, int]  # an image's id -> its row, counted through all files

    def place(self, name: str) -> tuple[int, int]:
        """An image's file, and its row there.

        Example:
          >>> ParquetSource(Path("celeba"), (), np.array([0, 5]), "image", {"000008.jpg": 7}).place("000008.jpg")
          (1, 2)
        """
        row = self.rows[name]
        number = int(np.searchsorted(self.first_rows, row, side="right")) - 1
        return number, row - int(self.first_rows[number])


class ParquetImages:
    """Reads images one by one: fast in the order of their rows, of several files in turn; right in any."""

    def __init__(self, source: ParquetSource) -> None:
        self._source = source
        self._open: OrderedDict[int, _Rows] = OrderedDict()  # the one used last stands last

    def read(self, name: str) -> bytes:
        """The bytes of an image's file; none if there are none of it.

        Raises:
          UserError: if the parquet file is not whole.
        """
        number, row = self._source.place(name)
        if number not in self._open:
            if len(self._open) == MAX_OPEN:
                self._open.popitem(last=False)
            self._open[number] = _Rows(self._source.files[number], self._source.column)
        self._open.move_to_end(number)
        return self._open[number].read(row)


class _Rows:
    """A file, and the few rows of one column that are in memory."""

    def __init__(self, path: Path, column: str) -> None:
        self._path, self._column, self._file = path, column, open_parquet(path)
        groups = range(self._file.num_row_groups)
        self._group_ends = np.cumsum([self._file.metadata.row_group(group).num_rows for group in groups])
        self._first = self._end = self._group_end = 0  # of the rows in memory, and of the row group that they are in
        self._values: Any = ()

    def read(self, row: int) -> bytes:
        if not self._first <= row < self._group_end:
            group = int(np.searchsorted(self._group_ends, row, side="right"))
            self._group_end = int(self._group_ends[group])
            self._end = self._group_end - self._file.metadata.row_group(group).num_rows
            self._batches = self._file.iter_batches(BATCH, [group], [self._column], use_threads=False)
        while not self._first <= row < self._end:
            try:
                batch = next(self._batches)
            except (*READ_ERRORS, StopIteration) as error:
                raise unreadable(self._path, error) from error
            self._first, self._end = self._end, self._end + len(batch)
            self._values = leaf(batch.column(0), self._column)
        return self._values[row - self._first].as_py() or b""


def leaf(values: Any, column: str) -> Any:
    """What a column such as `image.bytes` names in the struct that it is read as."""
    for part in column.split(".")[1:]:
        values = values.field(part)
    return values
