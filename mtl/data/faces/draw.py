"""Draws one face, from the background to the camera."""

import math

import numpy as np
from PIL import Image, ImageDraw

from mtl.data.faces import beard, features, hair, scene, skin, wear
from mtl.data.faces.canvas import Sketch, flatten, make_pose
from mtl.data.faces.person import Face, turn


def _sketches(face: Face, image: Image.Image) -> tuple[Sketch, Sketch]:
    """The head's sketch, turned as the face is, and the body's, upright below it on the same picture."""
    shot = face.shot
    yaw = math.radians(turn(shot))
    pitch, roll = math.radians(4.0 * shot.pitch), math.radians(4.5 * shot.roll)
    zoom, shift = math.exp(0.05 * shot.zoom - 0.01), (1.6 * shot.shift_x, 1.6 * shot.shift_y)
    head = make_pose(yaw, pitch, roll, zoom, shift)
    body = make_pose(0.25 * yaw, 0.0, 0.15 * roll, zoom, shift)
    # The body hangs below the middle of the head.
    below = np.array((0.0, 50.0))
    drop = flatten(head, below, 0.0) @ head.turn_22.T - flatten(body, below, 0.0) @ body.turn_22.T
    body = body._replace(centre_2=body.centre_2 + drop)
    draw = ImageDraw.Draw(image, "RGBA")
    return Sketch(image, draw, head), Sketch(image, draw, body)


def draw_face(face: Face) -> Image.Image:
    """Draws a face: an RGB image of 178 x 218."""
    sketch, body = _sketches(face, scene.draw_background(face))
    lips, cut = features.shape_lips(face), hair.cut_hair(face)
    hair_layer = hair.hair_layer(face, sketch, cut)
    skin_layer = skin.skin_layer(face, sketch)
    hair.draw_back_hair(face, sketch, cut, hair_layer)
    skin.draw_neck(face, sketch, body)
    wear.draw_clothes(face, body)
    wear.draw_necklace(face, body)
    skin.draw_head(face, sketch, skin_layer)
    skin.draw_wrinkles(face, sketch)
    beard.draw_beard(face, sketch, lips)
    features.draw_nose(face, sketch)
    features.draw_mouth(face, sketch, lips)
    features.draw_eyes(face, sketch)
    features.draw_brows(face, sketch)
    hair.draw_front_hair(face, sketch, cut, hair_layer)
    wear.draw_hat(face, sketch)
    wear.draw_glasses(face, sketch)
    wear.draw_earrings(face, sketch)
    return scene.take_picture(face, sketch.image)
