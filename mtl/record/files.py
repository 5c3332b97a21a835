"""JSON, JSON lines and arrays: how they are written, and how they are read.

All that is written is written by `mtl.record.atomic`, but for the lines of logs, which are cut back when a run goes on.
"""

import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mtl.errors import UserError
from mtl.record.atomic import write_atomically as write_atomically
from mtl.record.atomic import writing

Line = dict[str, Any]  # of a file of JSON lines
Kind = type | tuple[type, ...]
Fields = Mapping[str, Kind]  # "config.method" -> what the value there must be
NUMBER = (int, float)
AGAIN = "put a whole copy in its place, or delete its folder and give the command again"


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
    text = json.dumps(line, allow_nan=False) + "\n"
    with writing(path), path.open("a") as file:
        file.write(text)


def as_json(value: Any) -> Any:
    """The value as it is read back once it was written: a tuple becomes a list.

    Example:
      >>> as_json({"taps": ("layer3", "layer4")})
      {'taps': ['layer3', 'layer4']}
    """
    return json.loads(json.dumps(value))


def read_json(path: Path, fields: Fields | None = None, remedy: str = AGAIN) -> dict[str, Any]:
    """Reads a file of ours that holds one JSON object.

    Args:
      path: of the file.
      fields: that it must have, and of which kind.
      remedy: what to do if it is damaged.

    Raises:
      UserError: if it is not there, cannot be read or is damaged.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "config.json").write_text('{"config": {"seed": 0}}')
      ...     read_json(Path(folder) / "config.json", {"config.seed": int})
      {'config': {'seed': 0}}
    """
    return _parse(str(path), _read(path, remedy), fields or {}, remedy)


def read_lines(path: Path, fields: Fields | None = None) -> list[Line]:
    """Reads a file of JSON lines, each an object.

    Args:
      path: of the file.
      fields: that each line must have, and of which kind.

    Raises:
      UserError: if it is not there or a line is damaged; it says which.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "metrics.jsonl").write_text('{"step": 1}')
      ...     read_lines(Path(folder) / "metrics.jsonl", {"step": int})
      [{'step': 1}]
    """
    lines = enumerate(_read(path, AGAIN).splitlines(), 1)
    return [_parse(f"line {number} of {path}", line, fields or {}, AGAIN) for number, line in lines]


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


def _read(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise UserError(f"{path} {what}: {remedy}") from error


def _parse(where: str, text: bytes, fields: Fields, remedy: str) -> dict[str, Any]:
    value: Any = None
    try:
        value = json.loads(text)
        wanting = _wanting(value, fields)
    except (ValueError, RecursionError) as error:  # no JSON, or not even text
        wanting = str(error)
    if wanting:
        raise UserError(f"{where} is damaged ({wanting}): {remedy}")
    return value


def _wanting(value: Any, fields: Fields) -> str:
    """What is not as it must be, in words; "" if everything is."""
    if not isinstance(value, dict):
        return "it holds no JSON object"
    for name, kind in fields.items():
        found: Any = value
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if not isinstance(found, kind):
            return f"{name} is {'missing' if found is None else 'something else than it should be'}"
    return ""
