"""The rows of CelebA's list files, official text or Kaggle's CSV, and the labels in them."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtl.errors import UserError

PRESENT, ABSENT, ZERO, EMPTY = range(4)
CODES = {"1": PRESENT, "-1": ABSENT, "0": ZERO, "": EMPTY}


def read_lines(path: Path) -> list[str]:
    """The lines of a list file, at least one, without a byte order mark and without empty ones at the end.

    Raises:
      UserError: for the web page that a mirror gives instead of a file.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if text.lstrip().startswith("<"):
        raise UserError(
            f"{path} is a web page, most often the one that says that the download quota is used up: "
            "delete it, and download the real file later or from another mirror."
        )
    return text.rstrip().split("\n")


def split_fields(path: Path, line: str) -> list[str]:
    """The fields of one line.

    Example:
      >>> split_fields(Path("list.csv"), '"000001.jpg",1,,-1')
      ['000001.jpg', '1', '', '-1']
      >>> split_fields(Path("list.txt"), "000001.jpg  1 -1")
      ['000001.jpg', '1', '-1']
    """
    return next(_split_lines(path, [line]))


def _split_lines(path: Path, lines: list[str]) -> Iterator[list[str]]:
    """The fields of each line."""
    if path.suffix == ".csv":
        return csv.reader(line.replace(" ", "") for line in lines)
    return map(str.split, lines)


def split_rows(path: Path, lines: list[str], first_line: int, num_fields: int) -> Iterator[list[str]]:
    """The fields of each row, of which there is at least one.

    Args:
      path: of the list file.
      lines: its lines that are rows.
      first_line: number of the first of them.
      num_fields: how many each must have.

    Raises:
      UserError: if a row has another number of fields.

    Example:
      >>> list(split_rows(Path("list.txt"), ["000001.jpg 0", "000002.jpg 2"], 1, num_fields=2))
      [['000001.jpg', '0'], ['000002.jpg', '2']]
    """
    try:
        for number, fields in enumerate(_split_lines(path, lines or [""]), first_line):
            if len(fields) != num_fields:
                raise UserError(
                    f"line {number} of {path} has {len(fields)} fields, where {num_fields} should be: "
                    "the file was cut short or changed, so download it again."
                )
            yield fields
    except csv.Error as error:  # a quotation mark without its second
        raise UserError(f"{path} is no whole CSV file ({error}): download it again.") from error


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
