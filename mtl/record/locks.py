"""One process at a time: on a run, a study, a cache, a file that is being written.

The system locks a file for a process until that process closes it or dies, so a process that was killed holds nothing.
A lock file is removed before it is let go: it is seen only while somebody works, or after they were killed.
"""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mtl.errors import UserError, not_written

LOCK = ".lock"
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # Lustre without the mount option flock, NFS without lockd


class InUse(UserError):
    """Another process is at work there."""


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds a folder, which is made if it is not there; one that is still empty in the end is removed again.

    Raises:
      InUse: at once, if another process holds it; it says which.
    """
    path = folder / LOCK
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            file = _open_in(folder)
        except BlockingIOError:
            raise InUse(
                f"{folder} is in use by {_read_holder(path)}: wait until that has ended, or stop it, "
                "and give the command again"
            ) from None
        except OSError as error:
            raise not_written(folder, error) from error
        with _closing(file, path):
            _write_holder(file)
            yield
    finally:
        for place in made:
            with suppress(OSError):  # not empty: something was written
                place.rmdir()


@contextmanager
def wait_for(path: Path) -> Iterator[None]:
    """Holds the lock file `path`, whose folder is made; while another process holds it, says so and waits."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path.parent, error) from error
    try:
        file = _open_alone(path, wait=False)
    except BlockingIOError:
        print(f"waiting for {_read_holder(path)}, which is making {path.with_suffix('')}", file=sys.stderr)
        file = _open_alone(path, wait=True)
    with _closing(file, path):
        _write_holder(file)
        yield


@contextmanager
def temporary(path: Path) -> Iterator[BinaryIO]:
    """Opens an empty file for writing, when no other process has it open so; it is removed if it was not renamed."""
    file = _open_alone(path, wait=True)
    with _closing(file, path):
        file.truncate(0)  # what a killed process left
        yield file


def _open_in(folder: Path) -> BinaryIO:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # who had it left it empty and removed it just now
            return _open_alone(folder / LOCK, wait=False)


def _open_alone(path: Path, wait: bool) -> BinaryIO:
    """Opens and locks the file; raises BlockingIOError if another process has it and `wait` is False."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(file, path):
                return file
        except BaseException as error:
            file.close()
            if isinstance(error, OSError) and error.errno in NO_LOCKS:
                raise UserError(
                    f"{path.parent} lies on a file system that locks no files ({error.strerror}): choose a folder on "
                    "another, or have it mounted with locks"
                ) from error
            raise
        file.close()  # who had it removed or renamed it meanwhile


@contextmanager
def _closing(file: BinaryIO, path: Path) -> Iterator[None]:
    with file:
        try:
            yield
        finally:
            if _is_at(file, path):
                path.unlink()


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write_holder(file: BinaryIO) -> None:
    file.truncate(0)
    with suppress(OSError):  # the disk is full: it is only for people, and what is written next says so
        os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())


def _read_holder(path: Path) -> str:
    try:
        return path.read_text() or "another process"
    except FileNotFoundError:
        return "another process"  # it ended just now
