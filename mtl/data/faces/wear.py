"""What a person wears: clothes, tie, necklace, earrings, glasses and hats."""

import colorsys

import numpy as np

from mtl.data.faces.canvas import (
    DOWN,
    SCALE,
    Colour,
    Sketch,
    both,
    curve,
    ellipse,
    fill,
    lighter,
    mix,
    project,
    rgba,
    ribbon,
    soft,
    stroke,
)
from mtl.data.faces.person import Face, unit

BODY_DEPTH = -10.0
WHITE = np.full(3, 255.0)
GOLD, SILVER = np.array((214.0, 168.0, 72.0)), np.array((205.0, 208.0, 214.0))


def _cloth(rng: np.random.Generator) -> Colour:
    """A colour of clothes: often dark or grey, sometimes bright."""
    hue, saturation, value = rng.random(), rng.beta(1.0, 1.8), 0.08 + 0.88 * rng.beta(0.9, 1.2)
    return 255.0 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def draw_clothes(face: Face, body: Sketch) -> None:
    """Shoulders under a shirt, a pullover or a dress; shirt, tie and jacket where there is a necktie."""
    rng, shot, male = face.rng("clothes"), face.shot, face.has("Male")
    cloth, second, third = _cloth(rng), _cloth(rng), _cloth(rng)
    slope, kind = 3.0 * shot.shoulder, unit(shot.collar)
    wide = 9.0 if male else 0.0
    neck_y = 84.0 if male else 88.0 + 7.0 * kind
    deep = 8.0 + 12.0 * kind
    right = curve(
        [
            (0, neck_y + deep),
            (13, neck_y + 0.6 * deep),
            (24, neck_y - 5),
            (46 + wide, neck_y + 1 + slope),
            (76 + wide, neck_y + 8 + slope),
            (104, neck_y + 26),
            (110, 150),
            (0, 150),
        ]
    )
    fill(body, np.concatenate([right, (right * (-1, 1))[::-1]]), cloth, depth=BODY_DEPTH)
    crease = ribbon(curve([(34, neck_y), (52, neck_y + 12), (60, neck_y + 30)]), [1, 4, 5])
    soft(body, both(crease), cloth * 0.55, 0.5, 2.5, depth=BODY_DEPTH)
    if face.has("Wearing_Necktie"):
        _draw_tie(face, body, second)
    elif male and kind > 0.45:
        collar = both([(19, neck_y - 6), (25, neck_y - 1), (14, neck_y + 14), (2, neck_y + deep)])
        fill(body, collar, mix(cloth, third, 0.5), depth=BODY_DEPTH + 3)
        stroke(body, collar, cloth * 0.5, 0.7, 0.8, depth=BODY_DEPTH + 3)
    else:
        half = [(0, neck_y + deep), (12, neck_y + 0.7 * deep), (23, neck_y - 3)]
        trim = curve([*[(-x, y) for x, y in half[:0:-1]], *half])
        soft(body, ribbon(trim, [2, 2]), cloth * 0.6, 0.8, 0.6, depth=BODY_DEPTH)


def _draw_tie(face: Face, body: Sketch, colour: Colour) -> None:
    """A white collar, a jacket's lapels and a tie with its knot."""
    amount, rng = face.amount("Wearing_Necktie", 0.5), face.rng("tie")
    shirt = mix(np.array((240.0, 240.0, 242.0)), _cloth(rng), 0.25 * rng.random())
    jacket = _cloth(rng) * 0.45
    fill(body, np.array([(-26, 84), (26, 84), (30, 140), (-30, 140)]), shirt, depth=BODY_DEPTH)
    lapel = both([(25, 86), (60, 93), (110, 104), (110, 150), (12, 150), (20, 104)])
    fill(body, lapel, jacket, depth=BODY_DEPTH + 2)
    collar = both([(21, 80), (27, 87), (15, 103), (1, 93)])
    fill(body, collar, shirt * 1.03, depth=BODY_DEPTH + 4)
    stroke(body, collar, shirt * 0.6, 0.8, depth=BODY_DEPTH + 4)
    width = 4.0 + 2.5 * amount
    knot = np.array([(-width, 90), (width, 90), (0.65 * width, 99), (-0.65 * width, 99)])
    blade = np.array([(-0.65 * width, 99), (0.65 * width, 99), (1.5 * width, 140), (-1.5 * width, 140)])
    fill(body, blade, colour * 0.9, depth=BODY_DEPTH + 5)
    if rng.random() < 0.5:
        stripes = np.arange(100.0, 116.0, 5.0)[:, None, None] * DOWN + np.array([(-width, 3), (width, 0)])
        stroke(body, stripes, colour * 0.5 + 60, 1.3, depth=BODY_DEPTH + 5)
    fill(body, knot, colour, depth=BODY_DEPTH + 5)
    stroke(body, np.array([(-0.65 * width, 99), (0.65 * width, 99)]), colour * 0.5, 0.8, depth=BODY_DEPTH + 5)


def draw_necklace(face: Face, body: Sketch) -> None:
    """A chain with a pendant, or a row of beads."""
    amount, rng = face.amount("Wearing_Necklace", 0.4), face.rng("necklace")
    if not amount:
        return
    low = 85.0 + 9.0 * rng.random()
    metal = GOLD if rng.random() < 0.55 else SILVER
    chain = curve([(-22, 72), (-15, low - 6), (0, low), (15, low - 6), (22, 72)])
    beads = rng.random() < 0.45
    soft(body, ribbon(chain + 1.6 * DOWN, [1.5, 2.0, 1.5]), face.skin * 0.4, 0.5, 0.9, depth=-4.0)
    if beads:
        for x, y in project(body.pose, chain[1::2], depth=-4.0).tolist():
            radius = SCALE * (1.3 + 1.2 * amount)
            body.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rgba(metal * 1.05, 1.0))
            body.draw.ellipse((x - radius / 2, y - radius * 0.7, x, y - radius * 0.1), fill=(255, 255, 255, 200))
    else:
        stroke(body, chain, metal * 0.85, 1.1 + 1.0 * amount, depth=-4.0)
        pendant = ellipse(0.0, low + 3.5, 2.0 + 1.8 * amount, 2.6 + 2.2 * amount, 14)
        fill(body, pendant, metal, depth=-4.0)
        fill(body, ellipse(-0.8, low + 2.6, 1.0, 1.2, 8), WHITE, 0.8, depth=-4.0)


def draw_earrings(face: Face, sketch: Sketch) -> None:
    """Studs, hoops or drops at the ear lobes."""
    amount, rng = face.amount("Wearing_Earrings", 0.5), face.rng("earrings")
    if not amount:
        return
    metal, kind = (GOLD if rng.random() < 0.5 else SILVER), rng.random()
    x, y, size = 42.5, 16.5, 2.4 + 3.6 * amount
    if kind < 0.3:
        hoop = ellipse(x, y + 1.3 * size, size, 1.4 * size)
        stroke(sketch, both(np.concatenate([hoop, hoop[:2]])), metal, 1.4, depth=8.0)
    elif kind < 0.7:
        drop = [(x, y), (x + 0.7 * size, y + 2.2 * size), (x, y + 3.0 * size), (x - 0.7 * size, y + 2.2 * size)]
        fill(sketch, both(curve(drop, closed=True)), mix(metal, _cloth(rng), 0.5), depth=8.0)
        fill(sketch, both(ellipse(x, y + 0.5, 1.3, 1.3, 10)), metal, depth=8.0)
    else:
        fill(sketch, both(ellipse(x, y + 1, 0.9 * size, 0.9 * size, 14)), metal, depth=8.0)
    fill(sketch, both(ellipse(x, y + 0.6, 0.8, 0.8, 8)), WHITE, 0.85, depth=8.0)


def draw_glasses(face: Face, sketch: Sketch) -> None:
    """Frames with clear, tinted or dark lenses."""
    amount = face.amount("Eyeglasses", 0.35)
    if not amount:
        return
    frame, lens = unit(face.shot.frame), unit(face.shot.lens)
    power = 2.0 + 2.2 * frame  # of the superellipse: round to rectangular
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    width, height = 13.8 + 1.2 * lens, 8.0 + 4.0 * (1.0 - frame) + 1.5 * lens
    rim_x = width * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power)
    rim_y = height * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / power)
    colour = mix(np.array((24.0, 20.0, 20.0)), np.array((120.0, 100.0, 80.0)), 1.0 if 0.4 < lens < 0.5 else 0.0)
    thick = 1.0 + 1.9 * amount * (0.4 + 0.6 * frame)
    rim = both(np.column_stack([19.5 + rim_x, 1.5 + rim_y]))
    if lens > 0.72:  # sunglasses
        fill(sketch, rim, np.array((26.0, 22.0, 24.0)), 0.75 + 0.22 * amount, depth=38.0)
        soft(sketch, rim * (1, 0.4) + 6.0 * DOWN, np.array((150.0, 140.0, 130.0)), 0.3, 2.5, depth=38.0)
    else:
        fill(sketch, rim, np.array((215.0, 225.0, 235.0)), 0.10, depth=38.0)
        glint = np.array([(-8, 6), (-2, -6), (1, -6), (-5, 6)]) + both([(19.5, 0.0)])
        fill(sketch, glint, WHITE, 0.16, depth=38.0)
    stroke(sketch, np.concatenate([rim, rim[:, :2]], axis=1), colour, thick, depth=38.0)
    temple = both([(19.5 + width, -1.5), (42, -3)])
    stroke(sketch, temple, colour, thick, depth=np.array([36.0, -4.0]))
    bridge = curve([(-19.5 + width, -0.5), (0, -2.5), (19.5 - width, -0.5)])
    stroke(sketch, bridge, colour, thick, depth=42.0)


def draw_hat(face: Face, sketch: Sketch) -> None:
    """A cap with a peak, a woollen hat or a hat with a brim."""
    amount, rng = face.amount("Wearing_Hat", 0.5), face.rng("hat")
    if not amount:
        return
    colour, band, kind = _cloth(rng), _cloth(rng), unit(face.shot.hat)
    edge = -38.0 + 9.0 * amount
    crown = [(0, -91), (18, -88), (34, -78), (45, -58), (49, edge - 4), (46, edge + 2)]
    dome = curve([*[(-x, y) for x, y in reversed(crown)], *crown[1:]])
    rim = curve([(46, edge + 2), (24, edge - 4), (0, edge - 6), (-24, edge - 4), (-46, edge + 2)])
    soft(sketch, ribbon(rim + 6.0 * DOWN, [4, 9, 4]), face.skin * 0.35, 0.5, 2.5)
    depth = np.concatenate([np.full(len(dome), 4.0), np.full(len(rim), 20.0)])
    fill(sketch, np.concatenate([dome, rim]), colour, depth=depth)
    _shade_hat(sketch, colour, edge)
    if kind < 0.4:
        peak = curve([(-40, edge - 3), (-34, edge + 7), (0, edge + 12), (34, edge + 7), (40, edge - 3)])
        back = curve([(40, edge - 3), (20, edge - 8), (0, edge - 10), (-20, edge - 8), (-40, edge - 3)])
        fill(sketch, np.concatenate([peak, back]), mix(colour, band, 0.6) * 0.8, depth=44.0)
        soft(sketch, ribbon(peak - DOWN, [1, 2, 1]), np.array((20.0, 18.0, 18.0)), 0.5, 0.8, depth=44.0)
        fill(sketch, ellipse(0.0, -66.0, 8.0, 7.0, 16), band, 0.9, depth=30.0)
    elif kind < 0.7:
        cuff = curve([(47, edge - 14), (24, edge - 19), (0, edge - 21), (-24, edge - 19), (-47, edge - 14)])
        fill(sketch, np.concatenate([rim[::-1], cuff]), mix(colour, band, 0.5) * 0.9, depth=22.0)
        ribs = np.arange(-40.0, 41.0, 8.0)[:, None, None] * (1, 0) + np.array([(0, edge - 18), (0, edge - 5)])
        stroke(sketch, ribs, colour * 0.5, 0.8, 0.5, depth=22.0)
    else:
        wide = 66.0 + 10.0 * amount
        brim = ellipse(0.0, edge - 3, wide, 9.0 + 4.0 * amount, 30)
        ribbon_top = ellipse(0.0, edge - 12, 47.0, 6.0, 24)
        fill(sketch, ribbon_top, band, depth=10.0)
        fill(sketch, brim, colour * 0.85, depth=14.0)
        soft(sketch, brim * (0.8, 1.0) - 2.0 * DOWN, colour * 0.5, 0.35, 3.0, depth=14.0)


def _shade_hat(sketch: Sketch, colour: Colour, edge: float) -> None:
    """Light on the dome and shadow at its sides."""
    soft(sketch, ellipse(-10.0, -78.0, 14.0, 9.0), lighter(colour, 1.25, 25), 0.4, 5.0, depth=10.0)
    flank = ribbon(curve([(24, -84), (38, -64), (43, edge - 4)]), [3, 9, 9])
    soft(sketch, both(flank), colour * 0.35, 0.4, 3.5, depth=4.0)
