"""Tensors in a file of the safetensors format, which holds numbers and no code.

  8 bytes    n, the length of the header, little-endian
  n bytes    JSON: name -> {"dtype", "shape", "data_offsets": [begin, end]}, and "__metadata__": name -> text
  the rest   the numbers, row by row, little-endian; offsets count from here, and leave no hole

Source: the section "Format" of https://github.com/huggingface/safetensors. Its writer puts larger types first, so that
every tensor is aligned, and so does this one.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.record import files
from mtl.trained.digest import digest
from mtl.trained.untrusted import damaged, parse_object

DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
METADATA = "__metadata__"
DIGEST = "digest"  # of what we wrote; other programs' files have none
MAX_HEADER = 100_000_000  # bytes, as the format has it
MAX_DIMENSIONS = 64  # what torch takes
LENGTH = 8  # bytes of the header's length, and what it is padded to


class Entry(NamedTuple):
    """Where a tensor lies: bytes `begin` to `end` after the header."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors atomically, from whichever device; the same tensors give the same bytes.

    Args:
      metadata: name -> text, for people and other programs.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_tensors(Path(folder) / "a.safetensors", {"bias": torch.tensor([0.5, -1.0])})
      ...     read_tensors(Path(folder) / "a.safetensors")
      {'bias': tensor([ 0.5000, -1.0000])}
    """
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {METADATA: {"format": "pt", DIGEST: digest(tensors)} | dict(metadata or {})}
    end = 0
    for name in names:
        begin, end = end, end + tensors[name].nbytes
        kind = NAMES[tensors[name].dtype]
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH)

    def write(file: BinaryIO) -> None:
        file.write(len(text).to_bytes(LENGTH, "little") + text)
        for name in names:
            file.write(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)

    files.write_atomically(path, write)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads all tensors of a file, onto the CPU.

    The header is checked before a number is read, so that no more memory is asked for than the file is long.

    Raises:
      UserError: if the file cannot be read or is not what it should be.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "a.safetensors").write_bytes(b"PK")
      ...     read_tensors(Path(folder) / "a.safetensors")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      mtl.errors.UserError: .../a.safetensors is damaged (it was cut short): get a whole copy of it
    """
    try:
        with path.open("rb") as file:
            entries, written = _read_header(path, file)
            tensors = {name: _read(path, file, entry) for name, entry in entries.items()}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    if written is not None and digest(tensors) != written:
        raise damaged(path, "its numbers are not those that were written")
    return tensors


def _read(path: Path, file: BinaryIO, entry: Entry) -> Tensor:
    values = torch.empty(entry.end - entry.begin, dtype=torch.uint8)
    if file.readinto(values.numpy().data) < len(values):  # type: ignore[attr-defined]  # a buffered file has it
        raise damaged(path, "it was cut short")
    if entry.dtype == torch.bool and (values > 1).any():
        raise damaged(path, "a truth value is neither 0 nor 1")
    return values.view(entry.dtype).view(entry.shape)


def _read_header(path: Path, file: BinaryIO) -> tuple[dict[str, Entry], Any]:
    """(name -> where it lies, in the order of the bytes; the digest, if there is one); leaves the file at the first."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(LENGTH), "little")
    if size < LENGTH or length > size - LENGTH:
        raise damaged(path, "it was cut short")
    if length > MAX_HEADER:
        raise damaged(path, f"its header of {length} bytes is longer than the {MAX_HEADER} that the format allows")
    values = parse_object(path, file.read(length))
    metadata = values.pop(METADATA, None)
    entries = {name: _entry(path, name, value, size) for name, value in values.items()}
    entries = dict(sorted(entries.items(), key=lambda item: item[1].begin))
    end = 0
    for name, entry in entries.items():
        if entry.begin != end:
            raise damaged(path, f"{name!r} does not begin where the tensor before it ends")
        end = entry.end
    if LENGTH + length + end != size:
        raise damaged(path, "its tensors end before or behind the file")
    return entries, metadata.get(DIGEST) if isinstance(metadata, dict) else None


def _entry(path: Path, name: str, value: Any, size: int) -> Entry:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"{name!r} has not dtype, shape and data_offsets, these three")
    dtype = DTYPES.get(value["dtype"]) if isinstance(value["dtype"], str) else None
    if dtype is None:
        raise damaged(path, f"the dtype of {name!r} is none of {', '.join(DTYPES)}")
    shape, offsets = value["shape"], value["data_offsets"]
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2 or len(shape) > MAX_DIMENSIONS:
        raise damaged(path, f"shape or data_offsets of {name!r} are no whole numbers, or too many")
    # An empty tensor's other dimensions cost nothing, and could yet be too large for torch.
    if max(math.prod(shape), math.prod(side or 1 for side in shape)) * dtype.itemsize > size:
        raise damaged(path, f"{name!r} is larger than the file")
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise damaged(path, f"the bytes of {name!r} are not as many as its shape asks for")
    return Entry(dtype, tuple(shape), *offsets)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
