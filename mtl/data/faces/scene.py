"""The background behind a face, and the camera in front of it."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mtl.data.faces.canvas import HEIGHT, SCALE, WIDTH, rgba
from mtl.data.faces.person import Face, unit

STEP = 2  # the background is blurred, so it is made at half size


def _random_colour(rng: np.random.Generator) -> np.ndarray:
    """A colour of any brightness, more often dull than bright."""
    grey, hue = 20 + 220 * rng.beta(1.1, 1.1), rng.normal(size=3)
    return np.clip(grey + (hue - hue.mean()) * rng.exponential(18.0), 5, 250)


def _draw_shapes(image: Image.Image, kind: int, rng: np.random.Generator) -> None:
    """Puts discs of light, panels, shelves or spots on a background."""
    draw = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    colours = [_random_colour(rng) for _ in range(4)]
    for number in range(int(rng.integers(4, 14))):
        x, y, size, aspect = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(3, 22), rng.uniform(0.6, 1.7)
        colour = rgba(colours[number % 4], rng.uniform(0.25, 0.9))
        if kind == 1:
            draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
        elif kind == 2:
            draw.rectangle((x - size / 2, 0, x + size / 2, height), fill=colour)
        elif kind == 3:
            draw.rectangle((x - 2 * size, y - size / 3, x + 2 * size, y + size / 3), fill=colour)
        else:
            draw.polygon((x - size * aspect, y - size, x + 2 * size, y - size / 2, x, y + 2 * size), fill=colour)


def draw_background(face: Face) -> Image.Image:
    """A wall, a gradient, bokeh, panels or blurred things, at the supersampled size."""
    rng = face.rng("background")
    ends_43 = np.stack([_random_colour(rng) for _ in range(4)])
    ends_43 = ends_43[0] + (ends_43 - ends_43[0]) * rng.uniform(0.05, 0.8)
    corners = Image.fromarray(ends_43.reshape(2, 2, 3).astype(np.uint8))
    image = corners.resize((WIDTH // STEP, HEIGHT // STEP), Image.Resampling.BICUBIC)
    kind = int(rng.integers(0, 6))
    if kind:
        _draw_shapes(image, kind, rng)
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 6.0))))
    image = image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return image.resize((SCALE * WIDTH, SCALE * HEIGHT), Image.Resampling.NEAREST)


def take_picture(face: Face, drawn: Image.Image) -> Image.Image:
    """Light, exposure, colour cast, sharpness and sensor noise; the result is 178 x 218."""
    shot, picture = face.shot, drawn.reduce(SCALE)
    if shot.sharpness < -0.7:
        picture = picture.filter(ImageFilter.BoxBlur(-0.3 * shot.sharpness))
    if face.has("Blurry"):
        picture = picture.filter(ImageFilter.GaussianBlur(1.2 + 1.6 * face.degrees["Blurry"]))
    channels_HV = np.asarray(picture.convert("RGB", _colour_matrix(face))).reshape(HEIGHT, WIDTH * 3).astype(np.float32)
    x_V = np.repeat(np.linspace(-1.0, 1.0, WIDTH, dtype=np.float32), 3)
    y_H1 = np.linspace(-1.0, 1.0, HEIGHT, dtype=np.float32)[:, None]
    channels_HV *= 1.0 + np.float32(0.10 * shot.light_x) * x_V + np.float32(0.07 * shot.light_y) * y_H1
    grain_HV = face.rng("grain").integers(-128, 128, size=channels_HV.shape, dtype=np.int8)
    channels_HV += grain_HV * np.float32(0.05 * unit(shot.noise) ** 2)
    np.clip(channels_HV, 0.0, 255.0, out=channels_HV)
    return Image.fromarray(channels_HV.astype(np.uint8).reshape(HEIGHT, WIDTH, 3))


def _colour_matrix(face: Face) -> tuple[float, ...]:
    """Saturation, exposure, colour cast and contrast as three rows of four numbers, as Pillow takes them."""
    shot = face.shot
    saturation = min(max(0.92 + 0.16 * shot.saturation, 0.05), 1.25)
    mixing_33 = saturation * np.eye(3) + (1.0 - saturation) / 3.0
    contrast = 1.0 + 0.10 * min(shot.contrast, 1.2)
    gain_3 = contrast * np.exp(np.array([0.05, 0.0, -0.07]) * shot.warmth + 0.13 * min(shot.exposure, 0.5))
    matrix_34 = np.column_stack([gain_3[:, None] * mixing_33, np.full(3, 118.0 * (1.0 - contrast))])
    return tuple(matrix_34.ravel().tolist())
