"""JSON, JSON lines and arrays: how they are written, and how they are read."""

import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mtl.errors import UserError
from mtl.record import locks

Line = dict[str, Any]  # of a file of JSON lines


def write_atomically(path: Path, write: Callable[[Any], object]) -> None:
    """Lets `write` fill a temporary file, syncs it and renames it to `path`.

    Of two processes that write the same file, a study and a report, say, the second waits for the first.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_atomically(Path(folder) / "note.txt", lambda file: file.write(b"whole or not at all"))
      ...     (Path(folder) / "note.txt").read_text()
      'whole or not at all'
    """
    unfinished = path.with_name(path.name + ".tmp")
    with locks.temporary(unfinished) as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        unfinished.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_bytes(Path(folder) / "note.txt", b"whole or not at all")
      ...     (Path(folder) / "note.txt").read_bytes()
      b'whole or not at all'
    """
    write_atomically(path, lambda file: file.write(content))


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, indented for people; NaN is refused, since it is not JSON.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_json(Path(folder) / "results.json", {"epoch": 3})
      ...     read_json(Path(folder) / "results.json")
      {'epoch': 3}
    """
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a compressed .npz atomically.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_arrays(Path(folder) / "predictions.npz", {"logits": np.array([[0.5]])})
      ...     read_arrays(Path(folder) / "predictions.npz")
      {'logits': array([[0.5]])}
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))


def append_line(path: Path, line: Line) -> None:
    """Appends one line of JSON; NaN is refused.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for epoch in (1, 2):
      ...         append_line(Path(folder) / "dst.jsonl", {"epoch": epoch})
      ...     read_lines(Path(folder) / "dst.jsonl")
      [{'epoch': 1}, {'epoch': 2}]
    """
    with path.open("a") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")


def as_json(value: Any) -> Any:
    """The value as it is read back once it was written: a tuple becomes a list.

    Example:
      >>> as_json({"taps": ("layer3", "layer4")})
      {'taps': ['layer3', 'layer4']}
    """
    return json.loads(json.dumps(value))


def read_json(path: Path) -> Any:
    """Reads one JSON value.

    Raises:
      UserError: if the file is damaged.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "config.json").write_text('{"seed": 0}')
      ...     read_json(Path(folder) / "config.json")
      {'seed': 0}
    """
    return _parse(path, path.read_bytes())


def read_lines(path: Path) -> list[Line]:
    """Reads a file of JSON lines.

    Raises:
      UserError: if a line is damaged; it says which.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "metrics.jsonl").write_text('{"step": 1}')
      ...     read_lines(Path(folder) / "metrics.jsonl")
      [{'step': 1}]
    """
    return [_parse(path, line, number) for number, line in enumerate(path.read_bytes().splitlines(), 1)]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads an .npz.

    Raises:
      UserError: if the file is damaged.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     np.savez(Path(folder) / "examples.npz", identity=np.array([7]))
      ...     read_arrays(Path(folder) / "examples.npz")
      {'identity': array([7])}
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}); delete that run's folder and train it again") from error


def _parse(path: Path, text: bytes, number: int | None = None) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:  # no JSON, or not even text
        where = str(path) if number is None else f"line {number} of {path}"
        raise UserError(
            f"{where} is damaged ({error}): put a whole copy in its place, or delete its folder and give the command "
            "again"
        ) from error
