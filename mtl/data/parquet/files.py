"""The parquet files of a data set: which belong together, the split that each is of, and how one is opened."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtl.errors import UserError, not_installed

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

SPLIT_WORDS = {
    **{"train": 0, "training": 0},
    **{"valid": 1, "validation": 1, "val": 1, "dev": 1},
    **{"test": 2, "testing": 2},
}
SHARD = re.compile(r"(.*?)-?(\d+)-of-(\d+)(?:-[0-9a-f]+)?")  # older uploads have a digest behind it
BUFFER = 1 << 20  # bytes that are read at once: without it, a whole column of a row group would be
POINTER = b"version https://git-lfs"
READ_ERRORS = (OSError, ValueError, NotImplementedError)  # pyarrow's own are some of these


def find_files(root: Path) -> list[Path]:
    """The parquet files in a folder or up to two folders deeper, split by split and in the order of their numbers.

    Raises:
      UserError: if those of two data sets are there, or some of a data set's shards are not.
    """
    patterns = ("*.parquet", "*/*.parquet", "*/*/*.parquet")
    found = [path for pattern in patterns for path in root.glob(pattern)]
    files = [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    folders = sorted({path.parent.parent if _split_of_folder(path) is not None else path.parent for path in files})
    if len(folders) > 1:
        raise UserError(f"there are parquet files in {folders[0]} and in {folders[1]}: set root to one of them", "root")
    for split in (None, 0, 1, 2):
        _refuse_other_shards([path for path in files if split_of(path) == split])
    return sorted(files, key=lambda path: (split_of(path) or 0, _in_natural_order(str(path))))


def split_of(path: Path) -> int | None:
    """The index of the split that a file's name tells, or its folder's; None if neither does.

    Example:
      >>> split_of(Path("celeba/validation-00000-of-00003.parquet")), split_of(Path("test/0000.parquet"))
      (1, 2)
      >>> split_of(Path("celeba/0000.parquet"))
    """
    words = re.split(r"[^a-z]+", path.stem.lower())
    told = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    return _split_of_folder(path) if not told else told.pop() if len(told) == 1 else None


def _split_of_folder(path: Path) -> int | None:
    return SPLIT_WORDS.get(path.parent.name.lower())


def _in_natural_order(text: str) -> list[tuple[str, int]]:
    """What puts 9 before 10."""
    return [(word, int(number or 0)) for word, number in re.findall(r"(\D*)(\d*)", text)]


def _refuse_other_shards(files: Sequence[Path]) -> None:
    """Refuses some shards of more, and what is there beside them: a shard twice would train and test on the same."""
    shards = {path: SHARD.fullmatch(path.stem) for path in files}
    numbered = {path: match for path, match in shards.items() if match}
    if not numbered:
        return
    prefix, _, total = next(iter(numbered.values())).groups()
    others = [path for path, match in shards.items() if not match or (match[1], match[3]) != (prefix, total)]
    if others:
        one = next(path for path in numbered if path not in others)
        raise UserError(f"{others[0]} is not one of the {int(total)} shards that {one.name} is of: remove one of them.")
    missing = sorted({*range(int(total))} - {int(match[2]) for match in numbered.values()})
    if missing:
        raise UserError(
            f"{files[0].parent} lacks {len(missing)} of the {int(total)} shards that {files[0].name} is of, "
            f"number {missing[0]} first: download them, or give those that are there names without -of-{total}."
        )


def open_parquet(path: Path) -> "ParquetFile":
    """Opens a file; nothing but what is in it is read.

    Raises:
      UserError: if it cannot be read, is no parquet file or not a whole one, or if pyarrow is not installed.
    """
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise not_installed("the hub's parquet files are read", "pyarrow", "parquet") from error
    try:
        return ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """What to say of a file that pyarrow cannot read."""
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(f"{path} cannot be read ({os.strerror(error.errno)}): remove the cause, and try again.")
    with path.open("rb") as file:
        start = file.read(len(POINTER))
    if start == POINTER:
        return UserError(f"{path} only says where Git LFS keeps the file: run git lfs pull there, or download it.")
    return UserError(f"{path} is not a whole parquet file ({_first_line(error)}): download it again.")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
