"""Reads files of others: no pipe, which nobody may ever write to, no device, and none that would fill the memory."""

import os
import stat
from pathlib import Path

from mtl.errors import UserError


class NotRegular(UserError):
    """Where a file should be is something else."""


def read_regular(path: Path, most: int) -> bytes:
    """The bytes of a regular file, or of one that a link leads to. What is none is not even opened.

    Args:
      path: of the file.
      most: bytes that are read.

    Raises:
      UserError: it is no regular file, empty, or larger; the sentence is the reason alone.
      OSError: it cannot be read.

    Example:
      >>> read_regular(Path("/dev/zero"), most=100)
      Traceback (most recent call last):
      mtl.data.regular.NotRegular: it is no regular file
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular("it is no regular file")
    check_size(status.st_size, most)
    with path.open("rb") as file:
        return file.read(status.st_size)


def check_size(num_bytes: int, most: int) -> None:
    """Refuses a file that is empty or too large, before it is read.

    Raises:
      UserError: the sentence is the reason alone.

    Example:
      >>> check_size(3 << 30, most=1 << 20)
      Traceback (most recent call last):
      mtl.errors.UserError: it has 3,072 MiB, and at most 1 are read
    """
    if num_bytes == 0:
        raise UserError("it is empty")
    if num_bytes > most:
        raise UserError(f"it has {num_bytes / 2**20:,.0f} MiB, and at most {most >> 20} are read")


def why(error: OSError | UserError) -> str:
    """Why a file cannot be read, in the system's words or in ours, without its name.

    Example:
      >>> why(FileNotFoundError(2, "No such file or directory", "gone"))
      'No such file or directory'
    """
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
