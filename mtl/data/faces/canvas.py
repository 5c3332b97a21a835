"""What faces are drawn with: a head's pose in three dimensions, smooth curves, and sharp or soft paint.

Face coordinates: pixels of the 178 x 218 picture, origin between the eyes, x to the right, y down, z towards the
camera, 0 at the plane of the head's outline. The picture is drawn at twice its size and reduced at the end.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 178, 218
SCALE = 2  # supersampling
EYES_AT = (89.0, 111.0)  # where CelebA's alignment puts the middle between the eyes
CAMERA_DISTANCE = 520.0
LAYER_X, LAYER_Y = 96, 120  # half the width and height of a layer, in flattened coordinates
HEAD_DEPTH, HEAD_WIDTH, HEAD_HEIGHT = 40.0, 43.0, 80.0  # half axes of the ellipsoid that carries the features

DOWN = np.array((0.0, 1.0))
BOTH_SIDES = np.array([[[1.0, 1.0]], [[-1.0, 1.0]]])

Points = np.ndarray  # [..., P, 2] float, face coordinates; several curves of P points each are drawn at once
Depth = float | np.ndarray | None
Colour = np.ndarray  # [3] float, red, green, blue in 0..255


class Pose(NamedTuple):
    """Where the head is: project() maps face coordinates to pixels."""

    rotation_33: np.ndarray
    anchor_2: np.ndarray  # where the point between the eyes comes to lie before the shift
    turn_22: np.ndarray  # roll and zoom
    centre_2: np.ndarray  # pixel of the point between the eyes


class Sketch(NamedTuple):
    """A picture that is being drawn."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    pose: Pose


def make_pose(yaw: float, pitch: float, roll: float, zoom: float, shift: tuple[float, float]) -> Pose:
    """Builds a pose from angles in radians, a zoom factor and a shift in pixels."""
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    about_y = np.array([[cos_yaw, 0, sin_yaw], [0, 1, 0], [-sin_yaw, 0, cos_yaw]])
    about_x = np.array([[1, 0, 0], [0, cos_pitch, sin_pitch], [0, -sin_pitch, cos_pitch]])
    turn_22 = zoom * np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    pose = Pose(about_x @ about_y, np.zeros(2), turn_22, np.array(EYES_AT) + shift)
    return pose._replace(anchor_2=flatten(pose, np.zeros(2)))


def head_depth(points: Points) -> np.ndarray:
    """Depth z of the head's surface, shape [..., P]."""
    inside = 1.0 - (points[..., 0] / HEAD_WIDTH) ** 2 - ((points[..., 1] - 2.0) / HEAD_HEIGHT) ** 2
    return HEAD_DEPTH * np.sqrt(np.maximum(inside, 0.0))


def flatten(pose: Pose, points: Points, depth: Depth = None, lift: float = 0.0) -> Points:
    """Turns and foreshortens face coordinates; no roll, zoom or shift yet.

    Args:
      pose: the head's pose.
      points: face coordinates.
      depth: z, one number or [P]; None for the head's surface.
      lift: added to the depth.
    """
    z = np.add(head_depth(points) if depth is None else depth, lift)[..., None]
    turned = points @ pose.rotation_33[:, :2].T + z * pose.rotation_33[:, 2]
    return turned[..., :2] * (1.0 + turned[..., 2:] / CAMERA_DISTANCE) - pose.anchor_2


def project(pose: Pose, points: Points, depth: Depth = None, lift: float = 0.0) -> Points:
    """Maps face coordinates to pixels of the supersampled picture; arguments as for flatten()."""
    return SCALE * (flatten(pose, points, depth, lift) @ pose.turn_22.T + pose.centre_2)


def _spline_weights(num_steps: int) -> np.ndarray:
    """Catmull-Rom: weights of four neighbours at num_steps places between the middle two, shape [num_steps, 4]."""
    t = np.arange(num_steps)[:, None] / num_steps
    basis_44 = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2.0
    return np.concatenate([np.ones_like(t), t, t**2, t**3], axis=1) @ basis_44


NUM_STEPS = 6
WEIGHTS = _spline_weights(NUM_STEPS)


def curve(points: Points | list[tuple[float, float]], closed: bool = False) -> Points:
    """A smooth curve through points [P, 2]."""
    knots = np.asarray(points, dtype=float)
    first, last = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    padded = np.concatenate([first, knots, last])
    neighbours = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    smooth = np.matmul(WEIGHTS, neighbours).reshape(-1, 2)
    return smooth if closed else np.concatenate([smooth, knots[-1:]])


def ellipse(x: float, y: float, radius_x: float, radius_y: float, num_points: int = 18) -> Points:
    """Points on an ellipse."""
    angle = np.arange(num_points) * (2.0 * np.pi / num_points)
    return np.column_stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)])


def ribbon(points: Points, width: list[float]) -> Points:
    """Outline of a band along curves [..., P, 2]; the widths are spread evenly over its length."""
    along = np.empty_like(points)
    along[..., 1:-1, :] = points[..., 2:, :] - points[..., :-2, :]
    along[..., 0, :] = points[..., 1, :] - points[..., 0, :]
    along[..., -1, :] = points[..., -1, :] - points[..., -2, :]
    length = np.maximum(np.hypot(along[..., :1], along[..., 1:]), 1e-6)
    places = np.arange(points.shape[-2]) * ((len(width) - 1) / (points.shape[-2] - 1))
    half = np.interp(places, np.arange(len(width)), width)[:, None] * along[..., ::-1] * (-0.5, 0.5) / length
    return np.concatenate([points - half, (points + half)[..., ::-1, :]], axis=-2)


def both(points: Points | list[tuple[float, float]]) -> Points:
    """A shape of the face's right-hand half together with its mirror image, [2, P, 2].

    Example:
      >>> both([(0.25, 0.5)]).tolist()
      [[[0.25, 0.5]], [[-0.25, 0.5]]]
    """
    return np.asarray(points, dtype=float) * BOTH_SIDES


def rgba(colour: Colour, alpha: float) -> tuple[int, int, int, int]:
    """A colour as Pillow takes it.

    Example:
      >>> rgba(np.array([10.0, 300.0, -5.0]), alpha=0.5)
      (10, 255, 0, 127)
    """
    red, green, blue = (int(min(max(value, 0.0), 255.0)) for value in colour.tolist())
    return red, green, blue, int(255 * min(max(alpha, 0.0), 1.0))


def _corners(pixels: Points) -> list[list[float]]:
    """Flat lists of coordinates, one per polygon, as Pillow takes them."""
    num_points = pixels.shape[-2]
    corners: list[list[float]] = pixels.reshape(-1, 2 * num_points).tolist()
    return corners


def fill(
    sketch: Sketch, points: Points, colour: Colour, alpha: float = 1.0, depth: Depth = None, lift: float = 0.0
) -> None:
    """Fills polygons [..., P, 2] with a sharp edge."""
    for corners in _corners(project(sketch.pose, points, depth, lift)):
        sketch.draw.polygon(corners, fill=rgba(colour, alpha))


def stroke(
    sketch: Sketch, points: Points, colour: Colour, width: float, alpha: float = 1.0, depth: Depth = None
) -> None:
    """Draws lines [..., P, 2] of a width in pixels of the final picture."""
    for corners in _corners(project(sketch.pose, points, depth)):
        sketch.draw.line(corners, fill=rgba(colour, alpha), width=max(round(SCALE * width), 1))


def soft(
    sketch: Sketch, points: Points, colour: Colour, alpha: float, blur: float, depth: Depth = None, lift: float = 0.0
) -> None:
    """Fills polygons [..., P, 2] whose edge is blurred over `blur` pixels of the final picture."""
    pixels = project(sketch.pose, points, depth, lift)
    radius = SCALE * blur
    reduce = max(int(radius), 1)  # a blurred mask needs few pixels
    (low_x, low_y), (high_x, high_y) = pixels.reshape(-1, 2).min(axis=0), pixels.reshape(-1, 2).max(axis=0)
    left, top = max(int(low_x - 2.5 * radius), 0), max(int(low_y - 2.5 * radius), 0)
    width = (min(int(high_x + 2.5 * radius), SCALE * WIDTH) - left) // reduce + 1
    height = (min(int(high_y + 2.5 * radius), SCALE * HEIGHT) - top) // reduce + 1
    if width <= 0 or height <= 0:
        return
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    for corners in _corners((pixels - (left, top)) / reduce):
        draw.polygon(corners, fill=rgba(colour, alpha)[3])
    mask = mask.filter(ImageFilter.GaussianBlur(radius / reduce))
    if reduce > 1:
        mask = mask.resize((width * reduce, height * reduce), Image.Resampling.BILINEAR)
    sketch.image.paste(rgba(colour, 1.0)[:3], (left, top, left + mask.width, top + mask.height), mask)


def layer_axes(step_x: int, step_y: int) -> tuple[np.ndarray, np.ndarray]:
    """Flattened coordinates of a layer's columns, [1, W], and rows, [H, 1]; a layer covers more than the picture."""
    x_W = np.arange(-LAYER_X, LAYER_X, step_x, dtype=np.float32) + 0.5 * step_x
    y_H = np.arange(-LAYER_Y, LAYER_Y, step_y, dtype=np.float32) + 0.5 * step_y
    return x_W[None], y_H[:, None]


def make_layer(colours_HW3: np.ndarray) -> Image.Image:
    """Makes a layer from its float colours."""
    return Image.fromarray(np.clip(colours_HW3, 0, 255).astype(np.uint8))


def paste_layer(
    sketch: Sketch,
    layer: Image.Image,
    outlines: list[Points],
    blur: float = 0.0,
    resampling: Image.Resampling = Image.Resampling.NEAREST,
) -> None:
    """Paints a layer inside polygons.

    Args:
      sketch: the picture.
      layer: colours over flattened coordinates, as of layer_axes().
      outlines: polygons in pixels of the supersampled picture.
      blur: of their edges, in pixels of the supersampled picture.
      resampling: of the layer.
    """
    everything = np.concatenate(outlines)
    low = np.clip(np.floor(everything.min(axis=0) / SCALE).astype(int) - 2, 0, (WIDTH, HEIGHT))
    high = np.clip(np.ceil(everything.max(axis=0) / SCALE).astype(int) + 2, 0, (WIDTH, HEIGHT))
    if (high <= low).any():
        return
    left, top, width, height = (int(side) for side in (*low, *(high - low)))
    size = (SCALE * width, SCALE * height)
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for outline in outlines:
        draw.polygon((outline - SCALE * low).ravel().tolist(), fill=255)
    if blur:
        mask = mask.filter(ImageFilter.BoxBlur(blur))
    steps_2 = np.array((2 * LAYER_X / layer.width, 2 * LAYER_Y / layer.height))
    back_22 = np.linalg.inv(sketch.pose.turn_22)
    start_2 = (back_22 @ (low - sketch.pose.centre_2) + (LAYER_X, LAYER_Y)) / steps_2
    (a, b), (d, e) = (back_22 / steps_2[:, None]).tolist()
    affine = (a, b, start_2[0], d, e, start_2[1])
    part = layer.transform((width, height), Image.Transform.AFFINE, affine, resampling)
    sketch.image.paste(part.resize(size, Image.Resampling.NEAREST), (SCALE * left, SCALE * top), mask)


def lighter(colour: Colour, factor: float, more: float) -> Colour:
    """A highlight's colour."""
    return np.minimum(colour * factor + more, 255.0)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two; share 0 is the first.

    Example:
      >>> mix(np.array([0.0, 0.0, 0.0]), np.array([200.0, 100.0, 50.0]), 0.5)
      array([100.,  50.,  25.])
    """
    return first + (second - first) * share
