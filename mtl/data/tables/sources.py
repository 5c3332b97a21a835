"""The tables that there are, by name: any, and those of data sets that people have."""

from collections.abc import Callable
from pathlib import Path

from mtl.data.tables.fairface import read_fairface
from mtl.data.tables.mtfl import read_mtfl
from mtl.data.tables.omniglot import read_omniglot
from mtl.data.tables.text import TextTable, read_text
from mtl.data.tables.utkface import read_utkface
from mtl.errors import UserError

READERS: dict[str, Callable[[Path], TextTable]] = {
    "fairface": read_fairface,
    "utkface": read_utkface,
    "mtfl": read_mtfl,
    "omniglot": read_omniglot,
}
TABLES = ("table", *READERS)


def open_table(name: str, root: Path, table: str) -> TextTable:
    """The text of a table, read by the reader of that name.

    Args:
      name: one of `TABLES`.
      root: folder of the files.
      table: of "table": the file, as it is or in `root`.

    Raises:
      UserError: for whatever the reader refuses.
    """
    if name in READERS:
        if not root.is_dir():
            raise UserError(f"there is no folder {root}: set root to the folder of the files", "root")
        return READERS[name](root)
    if not table:
        raise UserError("table is not set: give the table of the images' labels, such as labels.csv", "table")
    path = Path(table).expanduser()
    return read_text(path if path.exists() or not (root / path).exists() else root / path, root)
