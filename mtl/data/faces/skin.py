"""The head itself: outline, ears, neck, and skin with light, colour, age and stubble on it."""

import numpy as np
from PIL import Image

from mtl.data.faces.canvas import (
    DOWN,
    HEAD_HEIGHT,
    HEAD_WIDTH,
    Points,
    Sketch,
    both,
    curve,
    ellipse,
    fill,
    flatten,
    layer_axes,
    make_layer,
    mix,
    paste_layer,
    project,
    ribbon,
    soft,
)
from mtl.data.faces.person import Face, palette, unit

LAYER_STEP = 2  # light on skin is smooth
CREASE = np.array((0.52, 0.42, 0.38))  # a crease's share of the skin's colour
SHADE = np.array((0.42, 0.36, 0.34))  # a shadow's
FRECKLE = np.array((120.0, 60.0, 40.0))
EYE_SHADOWS = np.array([(-0.25, -0.3, -0.05), (-0.35, -0.3, -0.15), (-0.1, -0.4, -0.25)])
# Half the head's width at each height, and what a man's jaw, an oval face and full cheeks change about it.
HEIGHTS = np.array([-69.0, -65, -54, -39, -20, 0, 18, 32, 44, 54, 61, 66])
HALF_WIDTHS = np.array([0.0, 20, 33, 39, 40.5, 40, 38.5, 35.5, 30, 22.5, 14, 0])
MALE_JAW = np.array([0.0, 0, 0, 0, 0, 0, 0.5, 2.0, 3.2, 3.6, 3.2, 0])
BROW_BONE = np.array([0.0, 0, 0, 0.5, 1.2, 1.0, 0.3, 0, 0, 0, 0, 0])
OVAL = np.array([0.0, 0.5, 0.5, 0, -0.8, -1.2, -2.0, -2.6, -2.4, -1.5, -0.5, 0])
FULL_CHEEKS = np.array([0.0, 0, 0, 0, 0, 1, 3, 5.0, 6.0, 5.5, 3.5, 0])
JAW = np.array([0.0, 0, 0, 0, 0, 0, 0.4, 1.0, 1.4, 1.3, 0.8, 0])


def chin_y(face: Face) -> float:
    """How far below the eyes the chin is."""
    return 66.0 + 1.8 * face.look.chin_length + 1.8 * face.lean("Oval_Face") + 1.2 * face.lean("Male")


def outline(face: Face) -> tuple[Points, np.ndarray]:
    """The head's outline in face coordinates, and its depth: the chin is nearer than the ears."""
    look, male = face.look, face.lean("Male")
    fullness = 1.4 * face.amount("Chubby", 0.5) + 0.4 * face.amount("Double_Chin", 0.3) + 0.12 * look.cheek_width
    width = HALF_WIDTHS * (1.0 + 0.025 * look.face_width) + MALE_JAW * (0.6 * male + 0.2) + BROW_BONE * male
    width = width + 1.2 * OVAL * face.lean("Oval_Face") + FULL_CHEEKS * fullness + JAW * look.jaw_width
    heights = np.where(HEIGHTS > 0, HEIGHTS * chin_y(face) / 66.0, HEIGHTS)
    right = np.column_stack([width, heights])
    points_P2 = curve(np.concatenate([right, (right * (-1, 1))[-2:0:-1]]), closed=True)
    return points_P2, 22.0 * np.clip(points_P2[:, 1] / 66.0, 0.0, 1.0) ** 1.5


def _blobs(face: Face) -> np.ndarray:
    """Soft light and shadow, [B, 7]: x, y, radius x, radius y, and change of red, green and blue (logarithmic)."""
    cheekbone, rosy = max(face.lean("High_Cheekbones"), -0.3), face.amount("Rosy_Cheeks", 0.45)
    bags, smile = face.amount("Bags_Under_Eyes", 0.4), face.amount("Smiling", 0.3)
    makeup, stubble = face.amount("Heavy_Makeup", 0.4), face.amount("5_o_Clock_Shadow", 0.45)
    nose, age = 1.0 + 0.12 * face.lean("Big_Nose"), max(-face.lean("Young"), 0.0)
    grey_middle = [
        (0, -32, 24, 12, 0.07),
        (0, 10, 2.6, 13, 0.10),
        (0, 22, 4.5 * nose, 4.5, 0.12),
        (0, 31, 8 * nose, 3, -0.26),
        (0, 52, 11, 3.5, -0.14),
        (0, 60, 8, 5, 0.08),
    ]
    grey_sides = [
        (18, -5, 11, 6, -0.13),
        (8, -2, 4, 7, -0.15),
        (7.5 * nose, 17, 3, 8, -0.11),
        (27, 15 - 2 * smile, 10, 7, 0.05 + 0.13 * cheekbone + 0.06 * smile),
        (29, 31, 8, 11, -0.07 - 0.17 * cheekbone - 0.05 * age),
        (39, -16, 8, 18, -0.08),
        (18, 8.5, 8, 2.6, -0.36 * bags - 0.06 * age),
        (18, 13, 8, 2.2, 0.14 * bags),
    ]
    eye_shadow = 1.3 * makeup * palette(EYE_SHADOWS, unit(face.shot.makeup_colour))
    coloured_sides = [
        (26, 20, 11, 9, 0.02 * rosy, -0.32 * rosy, -0.21 * rosy),
        (27, 18, 10, 8, 0.02 * makeup, -0.09 * makeup, -0.05 * makeup),
        (19.5, -6, 9, 4, *eye_shadow.tolist()),
        (14, 59, 15, 9, -0.30 * stubble, -0.24 * stubble, -0.13 * stubble),
        (28, 44, 9, 13, -0.30 * stubble, -0.24 * stubble, -0.13 * stubble),
        (9, 34, 8, 4, -0.28 * stubble, -0.22 * stubble, -0.12 * stubble),
    ]
    sides = np.array([(*blob, blob[4], blob[4]) for blob in grey_sides] + coloured_sides)
    middle = np.array([(*blob, blob[4], blob[4]) for blob in grey_middle])
    return np.concatenate([middle, sides, sides * (-1, 1, 1, 1, 1, 1, 1)])


def skin_layer(face: Face, sketch: Sketch) -> Image.Image:
    """Colours of the skin: a lit ellipsoid, and the soft blobs on it."""
    x_1W, y_H1 = layer_axes(LAYER_STEP, LAYER_STEP)
    centre = flatten(sketch.pose, np.zeros(2), depth=0.0)
    normal_1W, normal_H1 = (x_1W - centre[0]) / (HEAD_WIDTH + 7), (y_H1 - centre[1]) / (HEAD_HEIGHT + 4)
    normal_HW = np.sqrt(np.maximum(1.0 - normal_1W**2 - normal_H1**2, 0.0))
    light = np.array([0.55 * face.shot.light_x, -0.35 + 0.25 * face.shot.light_y, 1.0])
    light /= np.linalg.norm(light)
    facing_HW = np.maximum(normal_1W * light[0] + normal_H1 * light[1] + normal_HW * light[2], 0.0)
    power = 0.42 + 0.12 * min(max(face.shot.light_power, -2.0), 2.0)
    level_HW = np.log(1.06 - power + power * facing_HW)

    blobs_B7 = _blobs(face)
    at_B2 = flatten(sketch.pose, blobs_B7[:, :2])
    across_BW = np.exp(-(((x_1W - at_B2[:, :1]) / blobs_B7[:, 2:3]) ** 2))
    down_HB = np.exp(-(((y_H1 - at_B2[:, 1]) / blobs_B7[:, 3]) ** 2))
    change_CHW = [down_HB @ (across_BW * blobs_B7[:, 4 + c : 5 + c]) for c in range(3)]
    # Skin in shadow is redder than in light.
    shaded_CHW = [np.exp(change_CHW[c] + level_HW * (0.85, 1.05, 1.12)[c]) for c in range(3)]
    return make_layer(face.skin * np.stack(shaded_CHW, axis=2))


def draw_neck(face: Face, sketch: Sketch, body: Sketch) -> None:
    """Neck with the head's shadow on it, and a double chin."""
    width = 21.0 + 5.0 * max(face.lean("Male"), 0) + 1.2 * face.look.neck_width + 6 * face.amount("Chubby", 0.4)
    left = curve([(-width, 30), (-width + 1, 62), (-width - 3, 86), (-width - 34, 102), (-60, 125)])
    fill(body, np.concatenate([left, (left * (-1, 1))[::-1]]), face.skin * 0.84, depth=-12.0)
    chin = chin_y(face)
    shadow = curve([(-19, 44), (-17, chin + 2), (0, chin + 12), (17, chin + 2), (19, 44)])
    soft(body, shadow, face.skin * SHADE, 0.62, 5.0, depth=-8.0)
    tendon = ribbon(both(curve([(13, 70), (9, 88), (4, 102)])), [1, 3, 2])
    soft(body, tendon, face.skin * 0.55, 0.16 + 0.12 * max(-face.lean("Young"), 0), 1.6, depth=-6.0)
    fold = face.amount("Double_Chin", 0.4)
    if fold:
        low = chin + 7 + 5 * fold
        second = curve([(-31, 44), (-24, low - 8), (-10, low), (10, low), (24, low - 8), (31, 44)])
        soft(sketch, second + 2.5 * DOWN, face.skin * 0.4, 0.7, 2.0, depth=10.0)
        fill(sketch, second, face.skin * 0.87, depth=10.0)


def draw_head(face: Face, sketch: Sketch, layer: Image.Image) -> None:
    """Ears and the head with its skin."""
    size = 1.0 + 0.1 * face.look.ear_size
    ear = curve([(38, -8), (45, -10), (47.5, -2), (45, 10), (40, 15), (37, 8)], closed=True) * (1, size)
    fill(sketch, both(ear), face.skin * (0.90, 0.82, 0.80), depth=-6.0)
    soft(sketch, both(ellipse(43.5, 0.0, 1.8, 6.0)), face.skin * 0.5, 0.45, 1.0, depth=-6.0)
    points_P2, depth_P = outline(face)
    if face.has("Double_Chin"):
        jaw = points_P2[points_P2[:, 1] > 34]
        soft(sketch, jaw + 2.0 * DOWN, face.skin * 0.42, 0.7, 1.5, depth=16.0)
    pixels = project(sketch.pose, points_P2, depth_P)
    paste_layer(sketch, layer, [pixels], resampling=Image.Resampling.BILINEAR)


def _creases(face: Face, sketch: Sketch, lines: Points, width: float, alpha: float) -> None:
    """Soft lines that taper off at both ends."""
    soft(sketch, ribbon(lines, [0.2, width, width, 0.2]), face.skin * CREASE, alpha, 0.55)


def draw_wrinkles(face: Face, sketch: Sketch) -> None:
    """Folds of a smile, bags under the eyes, spots, and the lines of age."""
    age, smile = max(-face.lean("Young"), 0.0), face.amount("Smiling", 0.3)
    bags, cheeks = face.amount("Bags_Under_Eyes", 0.4), face.amount("Chubby", 0.4)
    fold = curve([(10.5, 22), (17 + 2 * smile, 31), (20 + 3 * smile, 41)])
    _creases(face, sketch, both(fold), 1.8, 0.10 + 0.5 * age + 0.38 * smile + 0.15 * cheeks)
    if bags:
        _creases(face, sketch, both(curve([(9, 7), (14, 10.5), (21, 11), (27, 8)])), 1.9, 0.75 * bags)
    if age:
        _draw_age(face, sketch, age)
    _draw_spots(face, sketch)


def _draw_age(face: Face, sketch: Sketch, age: float) -> None:
    """Lines on the forehead, between the brows, beside eyes and mouth."""
    wave = curve([(-22, -25), (-10, -27.5), (0, -26), (10, -27.5), (22, -25)])
    _creases(face, sketch, np.stack([wave, wave - 7.0 * DOWN, wave - 13.5 * DOWN]), 1.8, 0.5 * age)
    frown = curve([(2.6, -14), (3, -8)])
    _creases(face, sketch, both(frown), 1.4, 0.5 * age)
    feet = np.array([curve([(30, 1 + tilt / 3), (36.5, 0.5 + tilt)]) for tilt in (-4.0, 0.0, 4.0)])
    _creases(face, sketch, np.concatenate([feet, feet * (-1, 1)]), 1.4, 0.65 * age)
    _creases(face, sketch, both(curve([(18, 46), (20, 52), (19, 58)])), 1.8, 0.5 * age)


def _draw_spots(face: Face, sketch: Sketch) -> None:
    """Freckles and spots, fewer on a face that is called attractive."""
    rng = face.rng("spots")
    count = int(18 * max(face.look.freckles - 1.1, 0) + 16 * max(-face.lean("Attractive"), 0))
    centre_S2 = rng.normal(0.0, 1.0, size=(60, 2)) * (20, 18) + 14 * DOWN
    radius_S = rng.uniform(0.35, 1.0, size=60)
    spots = centre_S2[:, None] + radius_S[:, None, None] * ellipse(0, 0, 1, 1, 6)
    if count:
        fill(sketch, spots[:count], mix(face.skin, FRECKLE, 0.6), 0.3)
