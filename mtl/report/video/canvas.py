"""Drawing one picture of the video: colours, type, and shapes on a canvas of 1280 x 720 units.

Everything is drawn at twice the size and halved at the end, which smooths edges. Colours are those of Okabe and Ito
(2008), which colour-blind people tell apart; here they stand on a dark ground.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageColor, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 720  # units, whatever the size in pixels
SUPERSAMPLING = 2

GROUND, PANEL, RULE = "#10141a", "#1a212a", "#39444f"
TEXT, MUTED = "#f0f3f6", "#9eabb8"
ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    # Okabe and Ito's, blue and vermilion somewhat lighter, for the dark ground
    "#e69f00 #56b4e9 #009e73 #f0e442 #4790cc #ea7a33 #cc79a7".split()
)
RIGHT, WRONG = SKY, VERMILION
CYCLE = (ORANGE, SKY, GREEN, YELLOW, PURPLE, VERMILION, TEXT, BLUE)

Box = tuple[float, float, float, float]  # left, top, right, bottom
Drawing = Callable[["Canvas"], None]


class Canvas(NamedTuple):
    """A picture being drawn; `scale` is pixels per unit."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    scale: float


def render(drawing: Drawing, size: tuple[int, int]) -> Image.Image:
    """Draws one picture.

    Args:
      drawing: what to draw.
      size: width and height in pixels, 16 : 9.
    """
    width, height = size
    image = Image.new("RGB", (SUPERSAMPLING * width, SUPERSAMPLING * height), GROUND)
    drawing(Canvas(image, ImageDraw.Draw(image), image.width / WIDTH))
    return image.reduce(SUPERSAMPLING)


def mix(a: str, b: str, share: float) -> str:
    """The colour `share` of the way from `a` to `b`."""
    pairs = zip(ImageColor.getrgb(a), ImageColor.getrgb(b), strict=True)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)


def write(
    canvas: Canvas,
    x: float,
    y: float,
    words: str,
    size: float = 18,
    colour: str = TEXT,
    anchor: str = "lm",
    bold: bool = False,
    width: float | None = None,
) -> None:
    """Writes one line; smaller if it would be wider than `width`. `anchor` as in Pillow."""
    if width is not None:
        size *= min(1.0, width / max(width_of(words, size), 1e-9))
    canvas.draw.text(
        (x * canvas.scale, y * canvas.scale),
        words,
        fill=colour,
        font=_font(size * canvas.scale),
        anchor=anchor,
        stroke_width=size * canvas.scale / 50 if bold else 0,
    )


def width_of(words: str, size: float) -> float:
    """How wide a line is, in units."""
    return _font(100).getlength(words) * size / 100


def wrap(words: str, size: float, width: float) -> list[str]:
    """Breaks a sentence into lines of at most `width` units, as even as they get; a number stays with its % sign."""
    num_lines = len(_wrap(words, size, width))
    while num_lines > 1 and len(_wrap(words, size, width - 20)) == num_lines:
        width -= 20
    return _wrap(words, size, width)


def _wrap(words: str, size: float, width: float) -> list[str]:
    lines = [""]
    for word in re.split(" (?!%)", words):
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and width_of(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def panel(canvas: Canvas, box: Box, title: str = "") -> None:
    """A card with a title in its upper left corner."""
    rectangle(canvas, box, PANEL, radius=12)
    write(canvas, box[0] + 20, box[1] + 26, title, 18, MUTED, width=box[2] - box[0] - 40)


def rectangle(canvas: Canvas, box: Box, colour: str, radius: float = 0) -> None:
    """A filled rectangle; none if it has no width."""
    left, top, right, bottom = (round(value * canvas.scale) for value in box)
    if right > left and bottom > top:
        canvas.draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius * canvas.scale, colour)


def line(canvas: Canvas, points: Sequence[tuple[float, float]], colour: str, width: float = 3) -> None:
    """A line through points, with round ends."""
    pixels = [(x * canvas.scale, y * canvas.scale) for x, y in points]
    canvas.draw.line(pixels, colour, max(1, round(width * canvas.scale)), joint="curve")
    for x, y in (points[0], points[-1]):
        disc(canvas, x, y, width / 2, colour)


def disc(canvas: Canvas, x: float, y: float, radius: float, colour: str) -> None:
    """A filled circle."""
    canvas.draw.circle((x * canvas.scale, y * canvas.scale), radius * canvas.scale, colour)


def check(canvas: Canvas, x: float, y: float, size: float, colour: str) -> None:
    """A check mark around (x, y)."""
    line(canvas, [(x - size, y), (x - size / 4, y + 0.7 * size), (x + size, y - 0.8 * size)], colour, size / 2.2)


def cross(canvas: Canvas, x: float, y: float, size: float, colour: str) -> None:
    """A cross around (x, y)."""
    for sign in (-1, 1):
        line(canvas, [(x - size, y - sign * size), (x + size, y + sign * size)], colour, size / 2.2)


def picture(canvas: Canvas, image: Image.Image, box: Box) -> None:
    """A picture as large as fits into the middle of the box, in its own proportions."""
    left, top, right, bottom = (value * canvas.scale for value in box)
    factor = min((right - left) / image.width, (bottom - top) / image.height)
    large = image.resize(
        (max(1, round(image.width * factor)), max(1, round(image.height * factor))), Image.Resampling.LANCZOS
    )
    canvas.image.paste(large, (round((left + right - large.width) / 2), round((top + bottom - large.height) / 2)))


@lru_cache(maxsize=256)
def _font(pixels: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow comes with FreeType in every wheel"
    return font
