"""A file is written whole or not at all: a temporary file, fsync, rename, fsync of the folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mtl.errors import not_written
from mtl.record import locks

TEMPORARY = ".tmp"  # ends the name of a file that is being written


class _Watched:
    """A file that remembers why a write to it failed: torch says that in other words.

    Attributes:
      path: for what writes to a path alone.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.failure: BaseException | None = None

    def write(self, content: Any) -> int:
        try:
            return self.file.write(content)
        except BaseException as error:
            self.failure = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def write_atomically(path: Path, write: Callable[[Any], object]) -> None:
    """Lets `write` fill a temporary file, syncs it, renames it to `path` and syncs the folder.

    Of two processes that write the same file, a study and a report, say, the second waits for the first.

    Raises:
      UserError: if the file cannot be written, for want of room, say; then what was there before still is.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_atomically(Path(folder) / "note.txt", lambda file: file.write(b"whole or not at all"))
      ...     (Path(folder) / "note.txt").read_text()
      'whole or not at all'
    """
    unfinished = path.with_name(path.name + TEMPORARY)
    with writing(path):
        with locks.temporary(unfinished) as file:
            watched = _Watched(file, unfinished)
            try:
                write(watched)
            except RuntimeError as error:
                raise (watched.failure or error) from error
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)
        to_disk(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says of what fails within it that `path` cannot be written.

    Example:
      >>> import errno
      >>> with writing(Path("a")):
      ...     raise OSError(errno.ENOSPC, "No space left on device")
      Traceback (most recent call last):
      mtl.errors.UserError: a cannot be written (No space left on device): make room, and give the same command again
    """
    try:
        yield
    except OSError as error:
        raise not_written(path, error) from error


def to_disk(path: Path) -> None:
    """Waits until a file, or what a folder lists, is on the disk.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     to_disk(Path(folder))
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
