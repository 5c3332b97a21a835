"""Who is drawn, and how the picture was taken: the natural variation around the labels."""

import math
import zlib
from typing import NamedTuple

import numpy as np

from mtl.data.faces.canvas import Colour, mix


class Look(NamedTuple):
    """What a person keeps from image to image: independent N(0, 1) numbers."""

    skin_tone: float
    skin_hue: float
    face_width: float
    jaw_width: float
    chin_length: float
    cheek_width: float
    eye_gap: float
    eye_size: float
    eye_tilt: float
    eye_colour: float
    brow_height: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_fullness: float
    ear_size: float
    hair_shade: float
    hair_kind: float
    hair_length: float
    hair_volume: float
    hairline: float
    neck_width: float
    freckles: float


class Shot(NamedTuple):
    """What changes from image to image: independent N(0, 1) numbers."""

    yaw: float
    pitch: float
    roll: float
    zoom: float
    shift_x: float
    shift_y: float
    gaze: float
    light_x: float
    light_y: float
    light_power: float
    warmth: float
    exposure: float
    contrast: float
    saturation: float
    sharpness: float
    noise: float
    part: float
    brow_raise: float
    lip_colour: float
    makeup_colour: float
    lens: float
    frame: float
    hat: float
    collar: float
    shoulder: float
    asymmetry: float


class Face(NamedTuple):
    """Everything that decides a picture."""

    degrees: dict[str, float]  # attribute -> (-1, 1); present where positive, the size says how clearly
    look: Look
    shot: Shot
    seed: tuple[int, ...]  # of the textures
    skin: Colour
    hair: Colour
    brow: Colour  # of eyebrows and beard

    def has(self, name: str) -> bool:
        """Whether an attribute is present."""
        return self.degrees[name] > 0

    def amount(self, name: str, least: float) -> float:
        """How strongly an attribute shows: 0 if absent, otherwise from `least` to 1."""
        degree = self.degrees[name]
        return least + (1.0 - least) * degree if degree > 0 else 0.0

    def lean(self, name: str, gap: float = 0.25) -> float:
        """A signed degree in (-1, 1) that jumps over `gap` on either side of 0."""
        degree = self.degrees[name]
        return math.copysign(gap + (1.0 - gap) * abs(degree), degree)

    def rng(self, part: str) -> np.random.Generator:
        """The random numbers of one part of the picture, the same whatever the labels are."""
        return np.random.default_rng((*self.seed, zlib.crc32(part.encode())))


def sample_face(degrees: dict[str, float], seed: int, identity: int, index: int) -> Face:
    """Draws the natural variation of one image: Look from (seed, identity), Shot from (seed, index)."""
    look = Look(*np.random.default_rng((seed, 1, identity)).standard_normal(len(Look._fields)).tolist())
    shot = sample_shot(seed, index)
    # An attractive face has even features.
    shot = shot._replace(asymmetry=shot.asymmetry * (1.0 - 0.7 * degrees["Attractive"]))
    skin, hair = _skin_colour(degrees, look), _hair_colour(degrees, look)
    brow = mix(0.8 * hair, DARK_BROWN, 0.25 if degrees["Gray_Hair"] > 0 else 0.55)
    return Face(degrees, look, shot, (seed, 3, index), skin, hair, brow)


def sample_shot(seed: int, index: int) -> Shot:
    """What changes from image to image, of image number `index`."""
    return Shot(*np.random.default_rng((seed, 2, index)).standard_normal(len(Shot._fields)).tolist())


def turn(shot: Shot) -> float:
    """How far the head is turned to a side, degrees in [-30, 30]; 0 looks straight on."""
    return min(max(13.0 * shot.yaw, -30.0), 30.0)


def unit(normal: float) -> float:
    """Maps an N(0, 1) number to (0, 1), nearly uniformly.

    Example:
      >>> unit(0.0)
      0.5
    """
    return 1.0 / (1.0 + math.exp(-1.7 * normal))


def palette(colours: np.ndarray, place: float) -> Colour:
    """A colour from a row of colours; place 0 is the first and 1 the last.

    Example:
      >>> palette(np.array([[0.0, 0.0, 0.0], [200.0, 100.0, 50.0]]), 0.5)
      array([100.,  50.,  25.])
    """
    at = min(max(place, 0.0), 1.0) * (len(colours) - 1)
    low = min(int(at), len(colours) - 2)
    return mix(colours[low], colours[low + 1], at - low)


SKIN = np.array(
    [(246, 214, 190), (238, 200, 170), (228, 184, 150), (212, 163, 126), (186, 134, 98), (146, 98, 70), (104, 68, 50)],
    dtype=float,
)
PALE = np.array((240.0, 224.0, 218.0))
HAIR = {
    "Black_Hair": np.array([(16, 14, 16), (30, 25, 24), (42, 34, 32)], dtype=float),
    "Brown_Hair": np.array([(84, 52, 32), (112, 72, 44), (134, 90, 58)], dtype=float),
    "Blond_Hair": np.array([(190, 148, 84), (218, 182, 112), (238, 214, 158)], dtype=float),
    "Gray_Hair": np.array([(138, 138, 140), (178, 178, 180), (220, 220, 220)], dtype=float),
    "": np.array([(46, 32, 26), (58, 40, 30), (72, 46, 34), (132, 62, 34), (150, 112, 72), (112, 92, 80)], dtype=float),
}
IRIS = np.array([(58, 36, 22), (74, 46, 26), (96, 66, 36), (92, 104, 60), (84, 124, 152), (96, 130, 160)], dtype=float)


DARK_BROWN = np.array((48.0, 34.0, 26.0))
ASH = np.array((165.0, 162.0, 160.0))


def _skin_colour(degrees: dict[str, float], look: Look) -> Colour:
    """Pale skin is light and without hue; other skin is never as light. Blushes and blond hair go with light skin."""
    darkest = 0.35 if degrees["Blond_Hair"] > 0 or degrees["Rosy_Cheeks"] > 0 else 0.92
    tone = palette(SKIN, 0.06 + darkest * unit(look.skin_tone - 0.55) ** 1.3)
    tone = tone * (1.0 + 0.025 * look.skin_hue * np.array([0.6, 0.0, -1.0]))
    pale = degrees["Pale_Skin"]
    return mix(tone, PALE, 0.65 + 0.3 * pale) if pale > 0 else tone


def _hair_colour(degrees: dict[str, float], look: Look) -> Colour:
    """Hair of no named colour is very dark brown, red, or between the others; age makes hair ashen."""
    name = next((name for name in HAIR if name and degrees[name] > 0), "")
    ashen = 0.3 * max(-degrees["Young"], 0.0) if name != "Gray_Hair" else 0.0
    return mix(palette(HAIR[name], unit(look.hair_shade)), ASH, ashen)
