"""Stubble, sideburns, goatee, mustache and full beard."""

import numpy as np

from mtl.data.faces.canvas import Points, Sketch, curve, project, soft
from mtl.data.faces.features import Lips
from mtl.data.faces.person import Face
from mtl.data.faces.skin import chin_y, outline

NUM_HAIRS = 90  # drawn in each region


def _hairs(face: Face, sketch: Sketch, inner: Points, outer: Points, alpha: float, rng: np.random.Generator) -> None:
    """Short hairs all over the region between two curves of the same number of points."""
    place, across = rng.integers(0, len(inner), size=NUM_HAIRS), rng.random((NUM_HAIRS, 1))
    root = inner[place] + across * (outer[place] - inner[place])
    tip = root + rng.normal((0.0, 2.2), 0.8, size=(NUM_HAIRS, 2))
    lines = project(sketch.pose, np.concatenate([root[:, None], tip[:, None]], axis=1)).reshape(-1, 4).tolist()
    colours = np.minimum(rng.uniform(0.5, 1.5, size=(NUM_HAIRS, 1)) * face.brow, 255.0).astype(int).tolist()
    for line, (red, green, blue) in zip(lines, colours, strict=True):
        sketch.draw.line(line, fill=(red, green, blue, int(200 * min(alpha, 1.0))), width=1)


def _region(
    face: Face, sketch: Sketch, inner: Points, outer: Points, alpha: float, blur: float, rng: np.random.Generator
) -> None:
    """Beard between two curves of the same number of points."""
    soft(sketch, np.concatenate([inner, outer[::-1]]), face.brow, alpha, blur)
    _hairs(face, sketch, inner, outer, alpha, rng)


def _jaw(face: Face) -> tuple[Points, Points]:
    """Where a full beard begins on the cheeks, and the jaw's edge, from one ear to the other."""
    points_P2 = outline(face)[0]
    edge = points_P2[points_P2[:, 1] > 4]
    edge = edge[np.argsort(np.arctan2(edge[:, 0], edge[:, 1] + 40))]
    begin_y = np.where(np.abs(edge[:, 0]) > 17, 0.76 * edge[:, 1] + 3, 54.5)
    share = np.clip(0.96 - 0.012 * edge[:, 1], 0.62, 1.0)
    return np.column_stack([share * edge[:, 0], np.minimum(edge[:, 1] - 1.0, begin_y)]), edge


def draw_beard(face: Face, sketch: Sketch, lips: Lips) -> None:
    """Every kind of beard that the labels name; a full one where there is a beard of no named kind."""
    rng = face.rng("beard")
    stubble, mustache, goatee = (face.amount(name, 0.65) for name in ("5_o_Clock_Shadow", "Mustache", "Goatee"))
    sideburns, full = face.amount("Sideburns", 0.5), 0.0
    if not face.has("No_Beard"):
        named = max(stubble, mustache, goatee, sideburns)
        full = (0.45 if named else 0.75) - 0.25 * face.degrees["No_Beard"]
    cheeks, edge = _jaw(face)
    if stubble:
        _hairs(face, sketch, cheeks, edge * (0.97, 0.985), 0.6 * stubble, rng)
    if full:
        _region(face, sketch, cheeks, edge * (0.985, 1.0), 0.8 * full, 2.2, rng)
    strength = max(mustache, 0.6 * full, 0.45 * goatee)
    if strength:
        top = curve([(-16, 40), (-9, 34.5), (0, 33.5), (9, 34.5), (16, 40)])
        x = np.linspace(-17.0, 17.0, len(top))
        low = np.column_stack([x, np.interp(x, *lips.upper_top.T) - 0.2])
        low[[0, -1], 1] += 3.5
        _region(face, sketch, top, low, 0.95 * strength, 0.9, rng)
    if goatee:
        _draw_goatee(face, sketch, lips, goatee, rng)
    if sideburns:
        for side in (-1, 1):
            back = curve([(40, -18), (40, 0), (38.5, 18), (35, 34)]) * (side, 1)
            front = curve([(33, -18), (33, 0), (31, 18), (31 - 4 * sideburns, 34)]) * (side, 1)
            _region(face, sketch, front, back, 0.85 * sideburns, 1.2, rng)


def _draw_goatee(face: Face, sketch: Sketch, lips: Lips, amount: float, rng: np.random.Generator) -> None:
    """A beard on the chin, with a strip up to either corner of the mouth."""
    lip, chin, width = float(lips.lower_bottom[:, 1].max()), chin_y(face), 9.0 + 4.0 * amount
    inner = [(width + 4, 44), (width - 1, lip), (3, lip + 2.6)]
    outer = [(width + 6, 46), (width + 2, lip + 5), (6, chin + 3)]
    inner_curve, outer_curve = (curve([*[(-x, y) for x, y in half], *half[::-1]]) for half in (inner, outer))
    _region(face, sketch, inner_curve, outer_curve, 0.92 * amount, 1.2, rng)
