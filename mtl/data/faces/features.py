"""Eyes, eyebrows, nose and mouth."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from mtl.data.faces.canvas import (
    DOWN,
    SCALE,
    Points,
    Sketch,
    both,
    curve,
    ellipse,
    fill,
    lighter,
    mix,
    project,
    ribbon,
    soft,
    stroke,
)
from mtl.data.faces.person import IRIS, Face, palette, unit

BLACK = np.array((28.0, 18.0, 16.0))
LID_SHADE = np.array((0.62, 0.5, 0.46))
NOSE_SHADE = np.array((0.45, 0.34, 0.32))
LIPSTICK = np.array([(168, 24, 40), (196, 40, 60), (206, 84, 110), (150, 30, 70), (214, 92, 84)], dtype=float)
MOUTH_INSIDE, TONGUE, TEETH = np.array([(58.0, 18, 20), (170, 70, 72), (236, 230, 220)])
MOUTH_Y = 41.0
NOSE_LIFT, LIP_LIFT = 10.0, 4.0  # how far they stand out from the head's surface


def _lids(face: Face) -> tuple[Points, Points]:
    """Upper and lower edge of the opening of the right-hand eye, from the inner corner to the outer one."""
    look, narrow = face.look, face.lean("Narrow_Eyes")
    x, width = 19.0 + 0.7 * look.eye_gap, 8.6 + 0.4 * look.eye_size
    opening = 0.96 + 0.06 * look.eye_size + 0.04 * face.shot.brow_raise - (0.45 if narrow > 0 else 0.12) * narrow
    smile, tilt = face.amount("Smiling", 0.3), 0.5 * look.eye_tilt + 0.6
    high, low = 4.3 * opening * (1.0 - 0.08 * smile), 3.0 * opening * (1.0 - 0.25 * smile)
    inner, outer = (x - width, 1.2), (x + width, -tilt)
    upper = [inner, (x - 0.5 * width, -0.72 * high), (x + 0.1 * width, -high), (x + 0.62 * width, -0.68 * high), outer]
    lower = [inner, (x - 0.4 * width, 0.85 * low), (x + 0.2 * width, low), (x + 0.65 * width, 0.6 * low), outer]
    return curve(upper), curve(lower)


def _draw_eyeball(face: Face, sketch: Sketch, pixels_P2: Points, middle: Points) -> None:
    """White, iris, pupil, the lid's shadow and a spark of light, inside the opening."""
    low, high = np.floor(pixels_P2.min(axis=0)).astype(int) - 1, np.ceil(pixels_P2.max(axis=0)).astype(int) + 2
    width, height = (high - low).tolist()
    eyeball, mask = Image.new("RGB", (width, height), (222, 214, 208)), Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon((pixels_P2 - low).ravel().tolist(), fill=255)
    draw = ImageDraw.Draw(eyeball, "RGBA")
    x, y = (middle - low).tolist()
    iris = palette(IRIS, unit(face.look.eye_colour - 0.4) ** 1.5)
    for share, colour in ((1.0, 0.45 * iris), (0.86, iris), (0.6, 1.15 * iris), (0.42, 0.5 * BLACK)):
        radius = 4.4 * SCALE * share
        red, green, blue = colour.astype(int).tolist()
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(red, green, blue))
    draw.rectangle((0, 0, width, 0.24 * height), fill=(40, 25, 25, 90))
    spark, x, y = 1.1 * SCALE, x + (1.4 if face.shot.light_x > 0 else -1.4) * SCALE, y - 1.5 * SCALE
    draw.ellipse((x - spark, y - spark, x + spark, y + spark), fill=(255, 255, 255, 235))
    left, top = low.tolist()
    sketch.image.paste(eyeball, (left, top), mask)


def draw_eyes(face: Face, sketch: Sketch) -> None:
    """Both eyes with lids and lashes; longer lashes and a drawn-out line with make-up."""
    skin, makeup = face.skin, face.amount("Heavy_Makeup", 0.4)
    top, bottom = _lids(face)
    lash = 1.5 - 0.25 * face.lean("Male") + 1.4 * makeup + 0.3 * face.amount("Wearing_Lipstick", 0.5)
    socket = both(np.concatenate([top - 2.6 * DOWN, bottom[::-1]]))
    soft(sketch, socket, skin * LID_SHADE, 0.42 + 0.2 * makeup, 1.2)
    opening = both(np.concatenate([top, bottom[::-1]]))
    gaze = (min(max(1.3 * face.shot.gaze, -3.0), 3.0), -0.6)
    middle = both([0.5 * (top[len(top) // 2] + bottom[len(bottom) // 2])]) + gaze
    eyeballs = zip(project(sketch.pose, opening), project(sketch.pose, middle), strict=True)
    for pixels_P2, middle_12 in eyeballs:
        _draw_eyeball(face, sketch, pixels_P2, middle_12[0])
    soft(sketch, ribbon(both(bottom), [0.3, 1.0, 1.2]), skin * 0.45, 0.45 + 0.4 * makeup, 0.4)
    fill(sketch, ribbon(both(top), [0.5, lash, lash + 0.3, 0.7 + makeup]), BLACK, 0.92)
    soft(sketch, ribbon(both(top - 2.4 * DOWN), [0.3, 1.1, 1.1, 0.4]), skin * 0.45, 0.55, 0.5)
    if makeup:
        wing = np.array([top[-1], top[-1] + np.array((3.2, -2.2)), top[-1] + np.array((0.2, -1.6))])
        fill(sketch, both(wing), BLACK, 0.9 * makeup)


def draw_brows(face: Face, sketch: Sketch) -> None:
    """Eyebrows: arched or straight, bushy or thin."""
    look, rng = face.look, face.rng("brows")
    arch, bushy, male = face.lean("Arched_Eyebrows"), face.amount("Bushy_Eyebrows", 0.45), face.lean("Male")
    y = -12.2 - 0.8 * look.brow_height - 0.7 * face.shot.brow_raise + 0.7 * male - 0.8 * max(arch, 0.0)
    rise = 1.9 + 1.9 * arch
    knots = [(8.6 - 1.4 * bushy, y + 1.4), (16, y + 0.3 - 0.55 * rise), (23.5, y - rise), (32, y + 2.2 - 0.1 * arch)]
    thick = 2.7 + 0.3 * look.brow_thickness + 0.5 * male + 2.5 * bushy - 0.3 * arch + 0.2 * face.lean("Young")
    asymmetry = 0.6 * face.shot.asymmetry * np.array([1.0, -1.0])[:, None, None]
    middle = both(curve(knots)) + asymmetry * DOWN
    band = ribbon(middle, [0.8 * thick, thick, 0.85 * thick, 0.25 * thick])
    soft(sketch, band, face.brow, 0.72 + 0.25 * bushy, 0.7)
    place = rng.integers(0, middle.shape[1] - 3, size=14)[: int(5 + 9 * bushy)]
    root = middle[:, place] + 0.4 * thick * DOWN
    tip = root + both([(1.6, 0.0)]) - (thick * rng.uniform(0.4, 1.0, size=14)[: len(place), None]) * DOWN
    stroke(sketch, np.stack([root, tip], axis=2), face.brow * 0.75, 0.5, 0.55)


def draw_nose(face: Face, sketch: Sketch) -> None:
    """Bridge, wings, nostrils and tip."""
    look, big, pointy = face.look, face.lean("Big_Nose"), face.lean("Pointy_Nose")
    width = 9.3 * (1.0 + 0.05 * look.nose_width + 0.21 * big - 0.11 * pointy + 0.03 * face.lean("Male"))
    tip = 24.5 + 1.0 * look.nose_length + 1.3 * pointy + 1.6 * big
    dark = face.skin * NOSE_SHADE
    bridge = both(ribbon(curve([(6, -7), (4.6, 5), (0.55 * width, tip - 6), (0.8 * width, tip)]), [3, 2, 3, 2]))
    turned_away = 0.09 * min(max(face.shot.light_x, -1.5), 1.5)
    for side, shape in ((1, bridge[0]), (-1, bridge[1])):
        soft(sketch, shape, dark, 0.20 - side * turned_away, 1.4)
    wing = curve([(0.72 * width, tip - 5.5), (width, tip - 1), (0.93 * width, tip + 3), (0.6 * width, tip + 4.2)])
    soft(sketch, both(ribbon(wing, [0.4, 1.5, 1.7, 0.6])), dark, 0.6, 0.55, lift=4.0)
    nostril = ellipse(0.46 * width, tip + 3.6, 0.27 * width, 1.5 + 0.25 * big, 12)
    soft(sketch, both(nostril), dark * 0.45, 0.85, 0.6, lift=6.0)
    base = curve([(-0.5 * width, tip + 4.4), (0, tip + 5.8 + 1.1 * pointy), (0.5 * width, tip + 4.4)])
    soft(sketch, ribbon(base, [0.5, 1.5, 0.5]), dark, 0.5, 0.7, lift=NOSE_LIFT)
    towards = 0.8 if face.shot.light_x > 0 else -0.8
    glow = ellipse(towards, tip - 1.5, 2.7 + 0.8 * big - 0.9 * pointy, 2.3 - 0.4 * pointy, 14)
    soft(sketch, glow, lighter(face.skin, 1.25, 12), 0.38 + 0.2 * max(pointy, 0.0), 1.3, lift=NOSE_LIFT)
    if pointy > 0:
        edge = ribbon(curve([(2.6, tip - 8), (3.2, tip - 2), (1.8, tip + 3.5)]), [0.4, 1.7, 0.7])
        soft(sketch, both(edge), dark, 0.28 + 0.25 * pointy, 0.9, lift=NOSE_LIFT)


class Lips(NamedTuple):
    """Four edges of a mouth, each from left to right, and the gap between the lips in pixels."""

    upper_top: Points
    upper_bottom: Points
    lower_top: Points
    lower_bottom: Points
    gap: float


def shape_lips(face: Face) -> Lips:
    """The mouth's shape: smiling or not, open or shut, full or thin."""
    look, big = face.look, face.lean("Big_Lips")
    smile, gap = face.amount("Smiling", 0.35), 8.5 * face.amount("Mouth_Slightly_Open", 0.3)
    frown = 0.9 * max(-face.degrees["Smiling"], 0.0)
    half = 14.0 + 0.7 * look.mouth_width + 5.5 * smile - 0.12 * gap + 0.5 * face.lean("Male")
    upper = (3.3 + 0.25 * look.lip_fullness + 1.6 * big - 0.3 * face.lean("Male")) * (1.0 - 0.18 * smile)
    lower = (4.8 + 0.35 * look.lip_fullness + 2.2 * big) * (1.0 - 0.12 * smile)
    corner, y = MOUTH_Y - 4.6 * smile + 1.2 * frown, MOUTH_Y - 0.25 * gap + 1.6 * smile
    quarter_y, slant = y - 1.4 * smile, 0.6 * face.shot.asymmetry

    def edge(middle: float, quarter: float, bow: float = 0.0) -> Points:
        right = [(0.16 * half, middle - bow), (0.55 * half, quarter), (half, corner)]
        left = [(-half, corner + slant), (-0.55 * half, quarter), (-0.16 * half, middle - bow)]
        return curve([*left, (0.0, middle), *right])

    return Lips(
        edge(y - upper, quarter_y - 0.62 * upper, bow=0.7),
        edge(y, quarter_y + 0.1),
        edge(y + gap + 0.2, quarter_y + 0.78 * gap + 0.2),
        edge(y + gap + lower, quarter_y + 0.80 * gap + 0.72 * lower),
        gap,
    )


def _draw_open_mouth(face: Face, sketch: Sketch, lips: Lips) -> None:
    """The dark inside, the tongue and the upper teeth."""
    fill(sketch, np.concatenate([lips.upper_bottom, lips.lower_top[::-1]]), MOUTH_INSIDE, lift=LIP_LIFT)
    tongue = lips.lower_top * (0.6, 1.0)
    soft(sketch, np.concatenate([tongue - 0.3 * lips.gap * DOWN, tongue[::-1]]), TONGUE, 0.7, 0.8, lift=LIP_LIFT)
    share = 0.62 + 0.3 * face.amount("Smiling", 0.3)
    end_of_teeth = lips.upper_bottom + share * (lips.lower_top - lips.upper_bottom)
    teeth = np.concatenate([lips.upper_bottom, end_of_teeth[::-1]]) * (0.86, 1.0)
    fill(sketch, teeth, TEETH, 0.96, lift=LIP_LIFT)


def draw_mouth(face: Face, sketch: Sketch, lips: Lips) -> None:
    """Lips, natural or painted, and what is between them."""
    skin, lipstick = face.skin, face.amount("Wearing_Lipstick", 0.5)
    natural = skin * ((0.84, 0.62, 0.62) if face.has("Male") else (0.86, 0.58, 0.60))
    colour = mix(natural, palette(LIPSTICK, unit(face.shot.lip_colour)), 0.9 * lipstick)
    if lips.gap:
        _draw_open_mouth(face, sketch, lips)
    fill(sketch, np.concatenate([lips.upper_top, lips.upper_bottom[::-1]]), colour * 0.82, 0.92, lift=LIP_LIFT)
    fill(sketch, np.concatenate([lips.lower_top, lips.lower_bottom[::-1]]), colour, 0.92, lift=LIP_LIFT)
    shine = (lips.lower_top + 0.45 * (lips.lower_bottom - lips.lower_top)) * (0.5, 1.0)
    soft(sketch, ribbon(shine, [0.3, 1.8, 0.3]), lighter(colour, 1.3, 30), 0.4, 0.7, lift=LIP_LIFT)
    if not lips.gap:
        fill(sketch, ribbon(lips.upper_bottom, [0.8, 1.3, 1.0, 1.3, 0.8]), colour * 0.3, 0.85, lift=LIP_LIFT)
    corners = lips.upper_top[[0, -1], None] + ellipse(0.0, 0.0, 2.0, 1.6, 10)
    soft(sketch, corners, skin * 0.4, 0.4, 0.8, lift=LIP_LIFT)
    shadow = lips.lower_bottom * (0.62, 1.0) + 1.8 * DOWN
    soft(sketch, ribbon(shadow, [0.4, 2.2, 0.4]), skin * 0.5, 0.32, 1.2, lift=LIP_LIFT)
