"""Rows of results as Markdown, and as aligned text."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtl.statistics.markdown import markdown as as_markdown

Row = dict[str, Any]  # column -> text, number, quartiles, or None where there is nothing


def markdown(rows: Sequence[Row]) -> str:
    """A table with a column for each key, in the order in which they are first met.

    Example:
      >>> print(markdown([{"who": "loop", "seconds": 0.5}, {"who": "ours", "seconds": 0.25, "note": "twice as fast"}]))
      | who  | seconds | note          |
      |------|---------|---------------|
      | loop | 0.500   |               |
      | ours | 0.250   | twice as fast |
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return as_markdown([columns, *([cell(row.get(column)) for column in columns] for row in rows)])


def cell(value: Any) -> str:
    """Text as it is, a number with three digits that count, quartiles as median (first to third).

    Example:
      >>> cell(1234.5), cell(0.01234), cell(8), cell(None)
      ('1234', '0.0123', '8', '')
      >>> cell({"median": 1.02, "quartile_1": 1.0, "quartile_3": 1.1})
      '1.02 (1.00 to 1.10)'
    """
    if isinstance(value, Mapping):
        return "{} ({} to {})".format(*(cell(value[key]) for key in ("median", "quartile_1", "quartile_3")))
    if isinstance(value, float):
        num_digits = 2 - _magnitude(value)
        return f"{value:.{max(0, num_digits)}f}"
    return "" if value is None else str(value)


def aligned(lines: list[list[str]]) -> str:
    """The first line names the columns; the first column is aligned to the left, the others to the right.

    Example:
      >>> print(aligned([["who", "seconds"], ["loop", "0.5"]]))
      who   seconds
      loop      0.5
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)


def _magnitude(value: float) -> int:
    """The power of ten that a number begins with: 2 for 123.4."""
    return int(f"{value:e}".partition("e")[2])
