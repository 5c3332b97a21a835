"""Hair: strands that follow the head, behind it, over it, and as a fringe."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from mtl.data.faces.canvas import (
    DOWN,
    Points,
    Sketch,
    both,
    curve,
    ellipse,
    fill,
    flatten,
    layer_axes,
    lighter,
    make_layer,
    paste_layer,
    project,
    ribbon,
    soft,
)
from mtl.data.faces.person import Face, unit

NUM_STRANDS = 512  # length of the noise that a strand's number is looked up in


class HairCut(NamedTuple):
    """A person's hair in this picture."""

    bottom: float  # face coordinate where long hair ends; short hair ends at the ears
    is_long: bool
    volume: float  # pixels over the skull
    wave: float  # pixels that a strand swings to the sides
    period: float  # pixels from wave to wave
    phase: float
    gloss: float  # light on the crown, 1 as usual


def cut_hair(face: Face) -> HairCut:
    """Chooses length and form. Of women, those with straight or wavy hair mostly wear it long."""
    kind, length = unit(face.look.hair_kind), unit(face.look.hair_length)
    wavy, straight = face.amount("Wavy_Hair", 0.4), face.amount("Straight_Hair", 0.4)
    is_long = kind > (0.965 if face.has("Male") else 0.12 if wavy or straight else 0.45)
    bottom = 46.0 + 18.0 * length if length < 0.35 else 78.0 + 45.0 * length
    volume = 7.0 + 1.2 * face.look.hair_volume + 3.5 * wavy - 1.5 * straight + (2.5 if is_long else 0.0)
    volume -= 3.0 * face.amount("Receding_Hairline", 0.3)
    wave = 4.6 * wavy if wavy else (0.0 if straight else 1.3)
    return HairCut(bottom, is_long, max(volume, 3.0), wave, 27.0 + 14.0 * kind, 6.0 * length, 1.0 + 1.5 * straight)


def hair_layer(face: Face, sketch: Sketch, cut: HairCut) -> Image.Image:
    """Colours of strands.

    A strand is a line of constant s = x / r(y), where r is the width of a dome: strands run from the crown to the
    sides and fall straight from there. Waves displace s, and shade it as they turn to and from the light.
    """
    x_1W, y_H1 = layer_axes(1, 2)
    centre = flatten(sketch.pose, np.array((0.0, -8.0)), depth=0.0)
    x_1W, y_H1 = x_1W - np.float32(centre[0] + 4.0 * face.shot.part), y_H1 - np.float32(centre[1])
    width_H1 = 50.0 * np.sqrt(np.maximum(1.0 - (np.minimum(y_H1, 0.0) / 88.0) ** 2, 0.03))
    strand_HW = x_1W / width_H1
    side_HW = np.abs(strand_HW)
    wave_HW = np.sin(np.float32(2.0 * np.pi / cut.period) * y_H1 + np.float32(cut.phase) + 4.0 * side_HW)
    strand_HW += np.float32(cut.wave / 50.0) * wave_HW
    rng = face.rng("strands")
    coarse = np.interp(np.arange(NUM_STRANDS), np.arange(0, NUM_STRANDS, 12), rng.standard_normal(43))
    noise = (0.10 * rng.standard_normal(NUM_STRANDS) + 0.16 * coarse).astype(np.float32)
    level_HW = noise[(strand_HW * 110.0 + 256.0).astype(np.int32) % NUM_STRANDS]
    level_HW += np.float32(0.05 * cut.wave) * wave_HW
    sheen_H1 = np.float32(cut.gloss) * np.exp(-(((y_H1 + 36.0) / 15.0) ** 2))
    level_HW += 0.95 + np.float32(0.22) * sheen_H1 - (np.float32(0.12) + np.float32(0.1) * sheen_H1) * side_HW
    return make_layer(face.hair.astype(np.float32) * level_HW[..., None] + 14.0 * sheen_H1[..., None])


def _waved(points_P2: Points, cut: HairCut) -> Points:
    """Lets the outline of hair follow its waves."""
    swing = 0.8 * cut.wave * np.sin(2.0 * np.pi * points_P2[:, 1] / cut.period + cut.phase)
    return points_P2 + np.column_stack([swing * np.clip((points_P2[:, 1] + 60) / 40, 0, 1), np.zeros(len(points_P2))])


def draw_back_hair(face: Face, sketch: Sketch, cut: HairCut, layer: Image.Image) -> None:
    """Long hair behind neck and shoulders."""
    if not cut.is_long or face.has("Bald"):
        return
    out = 44.0 + cut.volume
    right = curve(
        [
            (0, -69 - cut.volume),
            (16, -67 - cut.volume),
            (33, -56 - 0.6 * cut.volume),
            (out, -26),
            (out + 2, 8),
            (out + 1, 40),
            (out - 1, cut.bottom),
        ]
    )
    left = right[::-1] * (-1, 1)
    points = np.concatenate([_waved(right, cut), _waved(left, cut._replace(phase=cut.phase + 2.0))])
    paste_layer(sketch, layer.point(lambda value: 0.62 * value), [project(sketch.pose, points, depth=-18.0)])


def _hairline(face: Face, cut: HairCut) -> Points:
    """Where the hair begins on the forehead, from left to right."""
    receding = face.amount("Receding_Hairline", 0.4)
    middle = -45.0 - 1.5 * face.look.hairline - 7.0 * receding - 1.0 * face.lean("Male")
    temple = 14.0 * receding
    low = 12.0 if cut.is_long else -2.0
    part = 5.0 * face.shot.part
    right = [(10, middle), (24, middle + 5 - 1.2 * temple), (33.5, -31 - 0.8 * temple), (36.5, -17), (39.5, low)]
    left = [(-x, y) for x, y in reversed(right)]
    return curve([*left, (part * 0.6, middle - 1.5), *right])


def _cap(face: Face, sketch: Sketch, cut: HairCut) -> Points:
    """Pixels of the hair on the skull: from ear to ear over the crown, and back along the hairline."""
    top, out = -69.0 - cut.volume, 41.5 + 0.55 * cut.volume
    right = [
        (0, top),
        (15, top + 1.5),
        (29, top + 9),
        (39, -48 - 0.5 * cut.volume),
        (out + 1, -28),
        (out + 0.5, -12),
        (41.0, 3),
    ]
    over = curve([*[(-x, y) for x, y in reversed(right)], *right[1:]])
    angle = np.arctan2(over[:, 0], -over[:, 1])
    quiff = 0.0 if cut.is_long else 0.035 * np.sin(2.0 * angle + cut.phase)
    tousled = (0.0 if cut.is_long or not cut.wave else 0.012) * face.rng("tousle").standard_normal(len(over))
    over = over * (1.0 + 0.007 * cut.wave * np.sin(11.0 * angle + cut.phase) + quiff + tousled)[:, None]
    hairline = _hairline(face, cut)
    return np.concatenate([project(sketch.pose, over, depth=-2.0), project(sketch.pose, hairline[::-1], lift=1.0)])


def _curtains(face: Face, sketch: Sketch, cut: HairCut) -> list[Points]:
    """Pixels of the hair that falls on either side of the face."""
    out, pixels = 44.0 + cut.volume, []
    for side in (-1, 1):
        swung = cut._replace(phase=cut.phase + side)
        cover = 3.0 * unit(face.shot.part * side) + 1.0 * face.look.hair_volume
        outer = curve(
            [
                (14, -66 - cut.volume),
                (32, -56 - 0.6 * cut.volume),
                (out, -26),
                (out + 3, 8),
                (out + 2, 40),
                (out, cut.bottom),
            ]
        )
        tip = [(out - 8, cut.bottom + 5), (out - 15, cut.bottom)]
        inner = curve([tip[1], (36 - cover, 48), (37.5 - cover, 20), (36.5 - cover, -8), (33 - cover, -28), (24, -45)])
        outline = np.concatenate([_waved(outer, swung), np.array(tip[:1]), _waved(inner, swung)])
        pixels.append(project(sketch.pose, outline * (side, 1), depth=6.0))
    return pixels


def _fringe(face: Face, sketch: Sketch) -> Points:
    """Pixels of bangs: locks of different lengths over the forehead."""
    rng, amount = face.rng("fringe"), face.amount("Bangs", 0.45)
    sweep = 4.5 * np.clip(face.shot.part, -1.6, 1.6)
    xs = np.linspace(-36.0, 36.0, 19)
    lowest = -27.0 + 12.0 * amount
    locks = rng.uniform(-2.5, 1.5, size=19) - 3.5 * (np.arange(19) % 2) * rng.random(19)
    bottom = np.column_stack([xs, lowest + locks + sweep * xs / 36.0 + 5.0 * (np.abs(xs) / 36.0) ** 2])
    top = curve([(37, -33), (29, -50), (0, -59), (-29, -50), (-37, -33)])
    return np.concatenate([project(sketch.pose, bottom, lift=3.0), project(sketch.pose, top, lift=3.0)])


def draw_bald(face: Face, sketch: Sketch) -> None:
    """A shining scalp, with short hair left above the ears."""
    left_over = 0.75 - 0.6 * face.degrees["Bald"]
    patch = curve([(42, 4), (42.5, -14), (41, -34), (36, -40), (36.5, -20), (38, 2)], closed=True)
    soft(sketch, both(patch), face.hair, 0.8 * left_over, 1.6, depth=0.0)
    shine = ellipse(6.0 * np.sign(face.shot.light_x), -52.0, 13.0, 7.0)
    soft(sketch, shine, lighter(face.skin, 1.25, 30), 0.5, 4.0, depth=22.0)


def draw_front_hair(face: Face, sketch: Sketch, cut: HairCut, layer: Image.Image) -> None:
    """Hair over the skull, beside the face, and over the forehead."""
    if face.has("Bald"):
        draw_bald(face, sketch)
        return
    hairline = _hairline(face, cut)
    soft(sketch, ribbon(hairline[9:-9] + 2.5 * DOWN, [2, 6, 2]), face.skin * (0.5, 0.4, 0.36), 0.4, 2.4)
    if face.has("Receding_Hairline"):
        soft(sketch, ellipse(0.0, -52.0, 12.0, 5.0), lighter(face.skin, 1.2, 20), 0.35, 3.0)
    outlines = [_cap(face, sketch, cut)]
    if cut.is_long:
        outlines += _curtains(face, sketch, cut)
    paste_layer(sketch, layer, outlines, blur=0.0 if cut.is_long else 1.6)
    if face.has("Bangs"):
        fringe = _fringe(face, sketch)
        shadow = np.array([(-33, -40), (33, -40), (33, -15 - 8 * (1 - face.degrees["Bangs"])), (-33, -15)])
        soft(sketch, shadow, face.skin * (0.5, 0.4, 0.36), 0.42, 2.5)
        paste_layer(sketch, layer, [fringe])
    if not cut.is_long and not face.has("Male") and face.look.hair_kind < -0.8:
        bun = ellipse(0.0, -76.0 - cut.volume, 17.0, 12.0)
        fill(sketch, bun, face.hair * 0.8, depth=-20.0)
