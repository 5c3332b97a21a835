"""The rows of CelebA's list files, official text or Kaggle's CSV, and the labels in them."""

import csv
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtl.data.regular import read_regular, why
from mtl.errors import UserError

MAX_BYTES = 128 * 2**20  # of a list; CelebA's largest has 26
MAX_LINE, MAX_FIELD = (
    2**20,
    255,
)  # characters; a longer field is the name of no file, and an array has room for the longest
PRESENT, ABSENT, ZERO, EMPTY = range(4)
DAMAGED = "the file was cut short or changed, so download it again."
CODES = {"1": PRESENT, "-1": ABSENT, "0": ZERO, "": EMPTY}


def read_lines(path: Path) -> list[str]:
    """The lines of a list file, at least one, without a byte order mark and without empty ones at the end.

    Raises:
      UserError: if it cannot be read, is far too large, is no UTF-8 text or has a line that is far too long, and for
        the web page that a mirror gives instead of a file.
    """
    try:
        data = read_regular(path, MAX_BYTES)
    except (OSError, UserError) as error:
        raise UserError(f"{path} cannot be read ({why(error)}): put a whole list there.") from error
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in data:
        raise UserError(f"{path} is UTF-16 or no text at all: save it as UTF-8, or download it again.")
    text = data.decode("utf-8-sig", errors="replace")
    if text.lstrip().startswith("<"):
        raise UserError(
            f"{path} is a web page, most often the one that says that the download quota is used up: "
            "delete it, and download the real file later or from another mirror."
        )
    lines = text.rstrip().split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise UserError(f"line {number} of {path} has {len(line):,} characters: {DAMAGED}")
    return lines


def split_fields(path: Path, line: str, number: int = 1) -> list[str]:
    """The fields of one line, of that number.

    Raises:
      UserError: if one is too long.

    Example:
      >>> split_fields(Path("list.csv"), '"000001.jpg",1,,-1')
      ['000001.jpg', '1', '', '-1']
      >>> split_fields(Path("list.txt"), "000001.jpg  1 -1")
      ['000001.jpg', '1', '-1']
    """
    return next(_split_lines(path, [line], number), [])


def _split_lines(path: Path, lines: list[str], first_line: int) -> Iterator[list[str]]:
    """The fields of each line, of which the first has that number."""
    is_csv = path.suffix == ".csv"
    rows = csv.reader(line.replace(" ", "") for line in lines) if is_csv else map(str.split, lines)
    try:
        for number, fields in enumerate(rows, first_line):
            longest = max(map(len, fields), default=0)
            if longest > MAX_FIELD:
                raise UserError(
                    f"line {number} of {path} has a field of {longest:,} characters, where a name or a number should "
                    f"be: {DAMAGED}"
                )
            yield fields
    except csv.Error as error:  # a quotation mark without its second
        raise UserError(f"{path} is no whole CSV file ({error}): download it again.") from error


def split_rows(path: Path, lines: list[str], first_line: int, num_fields: int) -> Iterator[list[str]]:
    """The fields of each row, of which there is at least one.

    Args:
      path: of the list file.
      lines: its lines that are rows.
      first_line: number of the first of them.
      num_fields: how many each must have.

    Raises:
      UserError: if a row has another number of fields, or one that is too long.

    Example:
      >>> list(split_rows(Path("list.txt"), ["000001.jpg 0", "000002.jpg 2"], 1, num_fields=2))
      [['000001.jpg', '0'], ['000002.jpg', '2']]
    """
    for number, fields in enumerate(_split_lines(path, lines or [""], first_line), first_line):
        if len(fields) != num_fields:
            raise UserError(
                f"line {number} of {path} has {len(fields)} fields, where {num_fields} should be: {DAMAGED}"
            )
        yield fields


def read_labels(path: Path, lines: list[str], first_line: int, num_labels: int) -> tuple[list[str], np.ndarray]:
    """Ids, and the codes of their labels, [N, num_labels] uint8; arguments as of `split_rows`.

    Example:
      >>> ids, codes_NK = read_labels(Path("list.csv"), ["000001.jpg,1,-1"], 2, num_labels=2)
      >>> ids, codes_NK.tolist() == [[PRESENT, ABSENT]]
      (['000001.jpg'], True)
    """
    ids: list[str] = []
    codes = bytearray()
    for id_, *fields in split_rows(path, lines, first_line, 1 + num_labels):
        try:
            codes.extend(map(CODES.__getitem__, fields))  # a row at a time: 8 million strings would take 0.5 GB
        except KeyError as error:
            raise _label_error(path, first_line + len(ids), error.args[0]) from error
        ids.append(id_)
    return ids, np.frombuffer(codes, dtype=np.uint8).reshape(-1, num_labels)


def decode_labels(path: Path, codes_NK: np.ndarray, first_line: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels and their mask, each [N, K] bool.

    Example:
      >>> labels, mask = decode_labels(Path("list.csv"), np.array([[PRESENT, ABSENT, EMPTY]], np.uint8), first_line=2)
      >>> labels.tolist(), mask.tolist()
      ([[True, False, False]], [[True, True, False]])
    """
    zero = codes_NK == ZERO
    is_csv, has_zero = path.suffix == ".csv", zero.any()
    missing = EMPTY if is_csv else ZERO
    if has_zero and not (codes_NK == ABSENT).any():
        print(f"warning: {path} has 0 and no -1, so 0 is read as absent, not as missing", file=sys.stderr)
        return codes_NK == PRESENT, codes_NK != EMPTY
    if is_csv and has_zero:
        raise _label_error(path, first_line + int(np.flatnonzero(zero.any(axis=1))[0]), "0")
    return codes_NK == PRESENT, codes_NK != missing


def _label_error(path: Path, line: int, label: str) -> UserError:
    missing = "nothing" if path.suffix == ".csv" else "0"
    return UserError(
        f"line {line} of {path} has the label {label!r}, where 1, -1 or, for a missing one, {missing} should be."
    )
