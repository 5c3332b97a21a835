"""Markdown tables that are aligned for the terminal too."""

from collections.abc import Sequence


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is aligned for the terminal too; the first row is the header.

    Example:
      >>> print(markdown([["task", "joint"], ["Smiling", "87.04"]]))
      | task    | joint |
      |---------|-------|
      | Smiling | 87.04 |
    """
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def percent(value: float | None) -> str:
    """A share in per cent, without the sign.

    Example:
      >>> percent(0.8451), percent(None)
      ('84.51', 'n/a')
    """
    return "n/a" if value is None else f"{100 * value:.2f}"
