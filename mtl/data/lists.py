"""The rows of CelebA's list files, text or CSV: split at once, by array operations."""

import codecs
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.errors import UserError


class Rows(NamedTuple):
    """The fields of a list file: field f of row n begins at `text[starts[n, f]]` and ends before the next gap."""

    path: Path
    first_line: int  # line number of row 0
    text: np.ndarray  # [bytes] uint8
    is_gap: np.ndarray  # [bytes] bool: no part of a field
    starts: np.ndarray  # [N, F] int64


def read_text(path: Path) -> bytes:
    """Reads a list file, without a byte order mark.

    Raises:
      UserError: for the web page that a mirror gives instead of a file.
    """
    text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if text.lstrip().startswith(b"<"):
        raise UserError(
            f"{path} is a web page, most often the one that says that the download quota is used up: "
            "delete it, and download the real file later or from another mirror."
        )
    return text


def split_rows(path: Path, body: bytes, first_line: int, num_fields: int) -> Rows:
    """Finds the fields of all rows at once: by array operations, since 202,599 rows have 8 million fields.

    Raises:
      UserError: for a row of another number of fields; it says which.

    Example:
      >>> rows = split_rows(Path("list.txt"), b"1.jpg 1 -1\\n2.jpg -1 0\\n", first_line=3, num_fields=3)
      >>> read_column(rows, 0).tolist()
      ['1.jpg', '2.jpg']
    """
    is_csv = path.suffix == ".csv"
    if is_csv:
        body = body.translate(None, b' \t\r"')
    text = np.frombuffer(body.rstrip() + b"\n  ", dtype=np.uint8)  # two more bytes, for a look past the last field
    is_newline = text == ord("\n")
    if is_csv:
        is_gap = is_newline | (text == ord(","))
        starts = np.concatenate([[0], np.flatnonzero(is_gap)[:-1] + 1])
    else:
        is_gap = text <= ord(" ")
        starts = np.flatnonzero(~is_gap & np.concatenate([[True], is_gap[:-1]]))
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(is_newline), side="right"), prepend=0)
    wrong = np.flatnonzero(counts != num_fields)
    if len(wrong):
        raise UserError(
            f"line {first_line + wrong[0]} of {path} has {counts[wrong[0]]} fields, where {num_fields} should be: "
            "the file was cut short or changed, so download it again."
        )
    return Rows(path, first_line, text, is_gap, starts.reshape(-1, num_fields))


def read_column(rows: Rows, field: int) -> np.ndarray:
    """One field of every row: [N] str.

    Example:
      >>> rows = split_rows(Path("list.csv"), b"1.jpg,1\\n2.jpg,-1\\n", first_line=2, num_fields=2)
      >>> read_column(rows, 1).tolist()
      ['1', '-1']
    """
    starts = rows.starts[:, field]
    is_last = field == rows.starts.shape[1] - 1
    following = np.append(rows.starts[1:, 0], len(rows.text)) if is_last else rows.starts[:, field + 1]
    width = (following - starts).max()
    window = np.minimum(starts[:, None] + np.arange(width), len(rows.text) - 1)  # [N, width] positions
    is_past = np.logical_or.accumulate(rows.is_gap[window], axis=1)
    characters = np.where(is_past, 0, rows.text[window])
    return characters.astype(np.uint32).view(f"U{width}")[:, 0]


def read_labels(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The labels and their mask, each [N, K] bool, from the fields after the first.

    Raises:
      UserError: for a field that is no label; it says where.

    Example:
      >>> rows = split_rows(Path("list.txt"), b"1.jpg 1 -1\\n2.jpg -1 0\\n", first_line=3, num_fields=3)
      >>> labels_NK, mask_NK = read_labels(rows)
      >>> labels_NK.tolist(), mask_NK.tolist()
      ([[True, False], [False, False]], [[True, True], [True, False]])
    """
    first, second = rows.text[:-2], rows.text[1:-1]
    one_long, two_long = rows.is_gap[1:-1], rows.is_gap[2:]  # what a field that starts here is, unless it is empty
    is_csv = rows.path.suffix == ".csv"
    starts = rows.starts[:, 1:]
    present = ((first == ord("1")) & one_long)[starts]
    absent = ((first == ord("-")) & (second == ord("1")) & two_long)[starts]
    zero = ((first == ord("0")) & one_long)[starts]
    missing = rows.is_gap[:-2][starts] if is_csv else zero
    if zero.any() and not absent.any():
        print(f"warning: {rows.path} has 0 and no -1, so 0 is read as absent, not as missing", file=sys.stderr)
        absent, missing = zero, missing & ~zero
    if not (present | absent | missing).all():
        row, column = np.argwhere(~(present | absent | missing))[0]
        label = str(read_column(rows, column + 1)[row])
        raise UserError(
            f"line {rows.first_line + row} of {rows.path} has the label {label!r}, where "
            f"1, -1 or, for a missing one, {'nothing' if is_csv else '0'} should be."
        )
    return present, present | absent
