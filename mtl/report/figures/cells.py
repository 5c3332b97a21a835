"""Matrices of coloured cells, as vectors."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize

from mtl.report import style

NUM_COLOURS = 32
# Light to dark, so that a print without colour keeps the order.
SEQUENTIAL = LinearSegmentedColormap.from_list("sequential", ["#f3f7fb", "#9ec3dd", "#2f6f9f", "#08264a"], NUM_COLOURS)
DIVERGING = LinearSegmentedColormap.from_list("diverging", ["#0a4d8c", "#ffffff", "#b3470a"], NUM_COLOURS + 1)


def draw_cells(axes: Axes, values: np.ndarray, colours: Colormap, limits: tuple[float, float]) -> QuadMesh:
    """Draws a matrix with row 0 on top; NaN stays empty."""
    num_rows, num_columns = values.shape
    mesh = axes.pcolormesh(
        np.arange(num_columns + 1) - 0.5,
        np.arange(num_rows + 1) - 0.5,
        np.ma.masked_invalid(values),
        cmap=colours,
        norm=Normalize(*limits),
        edgecolors="white",
        linewidth=0.3,
    )
    axes.set_ylim(num_rows - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh


def write_cells(axes: Axes, mesh: QuadMesh, texts: list[list[str]], size: float = style.SMALL) -> None:
    """Writes a text into each cell, white on dark ones."""
    values = mesh.get_array()
    assert values is not None
    colours = mesh.to_rgba(values)
    luminances = 1 - colours[..., 3] * (1 - colours[..., :3] @ (0.299, 0.587, 0.114))  # on white paper
    for row, of_row in enumerate(texts):
        for column, text in enumerate(of_row):
            colour = "white" if luminances[row, column] < 0.55 else style.INK
            axes.text(column, row, text, ha="center", va="center_baseline", size=size, color=colour)


def draw_scale(axes: Axes, mesh: ScalarMappable, label: str) -> None:
    """Fills narrow axes with the scale of the colours, its label above and its numbers to the right."""
    low, high = mesh.get_clim()
    edges = np.linspace(low, high, mesh.get_cmap().N + 1)
    axes.pcolormesh([0, 1], edges, edges[:-1, None], cmap=mesh.get_cmap(), vmin=low, vmax=high)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_title(label, fontweight="normal", size=style.SMALL, pad=5)
    axes.spines[:].set_visible(True)


def set_epochs(axes: Axes, num_epochs: int, width: float) -> None:
    """Numbers the columns 1, 2, ... as far as `width` mm have room."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if num_epochs / step * 4.5 <= max(width, 4.5))
    epochs = [epoch for epoch in range(1, num_epochs + 1) if epoch % step == 0 or (epoch == 1 and step >= 5)]
    axes.set_xticks([epoch - 1 for epoch in epochs], [str(epoch) for epoch in epochs])
    axes.set_xlabel("epoch")
