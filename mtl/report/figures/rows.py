"""Panels whose rows are tasks, with one mark per method in each row."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mtl.report import style

MARK_PITCH, MARGIN = 1.6, 1.6  # distance of two methods' marks in a row, and what is free around them, mm


def row_height(num_methods: int) -> float:
    """Height of a row with room for a mark of each method, mm.

    Example:
      >>> row_height(1), row_height(5)
      (3.6, 9.6)
    """
    return max(3.6, MARK_PITCH * num_methods + MARGIN)


def num_methods_that_fit(num_rows: int, room: float) -> int:
    """How many methods' marks fit in each of `num_rows` rows that share `room` mm; one at least.

    Example:
      >>> num_methods_that_fit(num_rows=9, room=100.0)
      5
    """
    return max(1, int((room / num_rows - MARGIN) / MARK_PITCH))


def offsets(num_methods: int, height: float) -> np.ndarray:
    """Vertical places of the methods' marks in a row of `height` mm, in rows from its middle, [num_methods].

    Example:
      >>> offsets(3, height=6.4)
      array([-0.25,  0.  ,  0.25])
    """
    pitch = min(MARK_PITCH, (height - MARGIN) / num_methods)
    return (np.arange(num_methods) - (num_methods - 1) / 2) * pitch / height


def set_rows(axes: Axes, labels: Sequence[str], labelled: bool = True) -> None:
    """One row per label from the top down, every other one shaded to guide the eye."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels if labelled else [""] * len(labels))
    axes.tick_params(axis="y", length=0, labelsize=style.FONT_SIZE)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    for row in range(0, len(labels), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=style.BAND, linewidth=0, zorder=0)
