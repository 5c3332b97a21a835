"""A line chart that grows, with the lines' names at their ends."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from mtl.report.video.canvas import CYCLE, MUTED, RULE, Box, Canvas, disc, line, panel, width_of, write

LABEL_SIZE = 15


class Series(NamedTuple):
    """A line: one value per epoch; None where there is none."""

    name: str
    values: Sequence[float | None]


def line_chart(
    canvas: Canvas, box: Box, title: str, series: Sequence[Series], num_epochs: int, upto: float, per_cent: bool
) -> None:
    """Lines over epochs, drawn as far as training has come.

    Args:
      canvas: to draw on.
      box: of the whole panel.
      title: what is shown.
      series: lines; the axes are those of all of their values, so that they stand still while the lines grow.
      num_epochs: length of the horizontal axis, from 1.
      upto: epochs that are over, with the fraction of the one that goes on.
      per_cent: whether values are fractions that are shown in per cent.
    """
    panel(canvas, box, title)
    known = [value for one in series for value in one.values if value is not None]
    if not known:
        return
    longest = max(width_of(one.name, LABEL_SIZE) for one in series)
    left, top, right, bottom = box[0] + 62, box[1] + 56, box[2] - 28 - min(longest, 170), box[3] - 42
    low, high = min(known), max(known)
    ticks = round_ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def place(epoch: float, value: float) -> tuple[float, float]:
        share = (epoch - 1) / (num_epochs - 1) if num_epochs > 1 else 0.5
        return left + share * (right - left), bottom - (value - low) / (high - low) * (bottom - top)

    for tick in ticks:
        y = place(1, tick)[1]
        line(canvas, [(left, y), (right, y)], RULE, 1)
        words = f"{100 * tick:.3g} %" if per_cent else f"{tick:.3g}"
        write(canvas, left - 10, y, words, LABEL_SIZE, MUTED, "rm")
    for epoch in sorted({1, (num_epochs + 1) // 2, num_epochs}):
        write(canvas, place(epoch, low)[0], bottom + 18, f"{epoch}", LABEL_SIZE, MUTED, "mm")
    write(canvas, (left + right) / 2, bottom + 34, "epoch", LABEL_SIZE - 2, MUTED, "mm")

    ends = []
    for n, one in enumerate(series):
        points = [place(epoch, value) for epoch, value in grown(one.values, upto)]
        if points:
            colour = CYCLE[n % len(CYCLE)]
            line(canvas, points, colour, 3 if n < len(CYCLE) else 1.5)
            disc(canvas, *points[-1], 5, colour)
            ends.append((points[-1], one.name, colour))
    gap = min(LABEL_SIZE + 2, (bottom + 8 - top) / len(series))
    heights = spread([y for (_, y), _, _ in ends], gap, top, bottom + 8)
    for ((x, _), name, colour), height in zip(ends, heights, strict=True):
        write(canvas, x + 12, height, name, gap - 2, colour, width=170)


def grown(values: Sequence[float | None], upto: float) -> list[tuple[float, float]]:
    """The points of a line that has grown up to a moment: (epoch, value), the last one on its way to the next."""
    points = [(float(epoch), value) for epoch, value in enumerate(values, 1) if value is not None]
    reached = [point for point in points if point[0] <= upto]
    to_come = [point for point in points if point[0] > upto]
    if not reached or not to_come:
        return reached
    (from_epoch, from_value), (to_epoch, to_value) = reached[-1], to_come[0]
    share = (upto - from_epoch) / (to_epoch - from_epoch)
    return [*reached, (upto, from_value + share * (to_value - from_value))]


def round_ticks(low: float, high: float, num: int = 4) -> list[float]:
    """About `num` round numbers in [low, high], or the two round ones around it where it holds fewer than two."""
    spacing = abs(high) if abs(high) > 1e-12 else 1.0
    if high > low:  # not so fine that rounding blurs the ticks
        spacing = max((high - low) / num, 1e-9 * max(abs(low), abs(high)), 1e-12)
    unit = 10.0 ** math.floor(math.log10(spacing))
    step = unit * min(factor for factor in (1, 2, 2.5, 5, 10) if factor * unit >= 0.999 * spacing)
    inside = range(math.ceil(low / step), math.floor(high / step) + 1)
    around = range(math.floor(low / step), math.floor(low / step) + 2)
    return [step * n for n in (inside if len(inside) > 1 else around)]


def spread(heights: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Moves labels apart, keeping their order: at least `gap` from one to the next, above `bottom` as far as they fit.

    Example:
      >>> spread([10, 12, 50], gap=10, top=0, bottom=100)
      [10, 20, 50]
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    moved = list(heights)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    limit = max(bottom, top + gap * (len(order) - 1))
    for n in reversed(order):
        moved[n] = min(moved[n], limit)
        limit = moved[n] - gap
    return moved
