"""From photos to faces with answers, some at a time: of a photo no more than a thumbnail is kept."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.photos.crops import FaceCrop, Photo
from mtl.predict.answers import BATCH_SIZE, Answer, Ask
from mtl.predict.pictures import shrink

THUMBNAIL = 360  # longest side, pixels


class SeenFace(NamedTuple):
    """A face and what the network says of it."""

    crop: FaceCrop
    answer: Answer


class SeenPhoto(NamedTuple):
    """A photo with what the network says of its faces, or what is wrong with it."""

    file: Path
    faces: list[SeenFace]  # the largest first
    problem: str | None  # a sentence, if there is no face
    sides: tuple[int, int]  # width and height of the upright photo, pixels, in which its boxes are
    thumbnail_HWC: np.ndarray | None  # uint8; None if the photo cannot be read


class _Read(NamedTuple):
    """A photo whose faces wait for their answers."""

    photo: Photo  # without its pixels
    sides: tuple[int, int]
    thumbnail_HWC: np.ndarray | None


def see(photos: Iterable[Photo], ask: Ask) -> Iterator[SeenPhoto]:
    """Asks the network about the faces of photos, a full batch at a time, and gives the photos in their order.

    Example:
      >>> blank = Photo(Path("wall.jpg"), [], "no face was found in wall.jpg.", np.zeros((600, 800, 3), np.uint8))
      >>> (seen,) = see([blank], ask=lambda images_NCHW: [])
      >>> seen.sides, seen.thumbnail_HWC.shape, seen.faces
      ((800, 600), (270, 360, 3), [])
    """
    waiting: list[_Read] = []
    for photo in photos:
        waiting.append(_put_away(photo))
        if sum(len(read.photo.faces) for read in waiting) >= BATCH_SIZE:
            yield from _answer(waiting, ask)
            waiting = []
    yield from _answer(waiting, ask)


def _put_away(photo: Photo) -> _Read:
    if photo.image_HWC is None:
        return _Read(photo, (0, 0), None)
    height, width = photo.image_HWC.shape[:2]
    return _Read(photo._replace(image_HWC=None), (width, height), shrink(photo.image_HWC, THUMBNAIL).copy())


def _answer(waiting: list[_Read], ask: Ask) -> Iterator[SeenPhoto]:
    crops = [crop.image_CHW for read in waiting for crop in read.photo.faces]
    answers = iter(ask(np.stack(crops)) if crops else [])
    for photo, sides, thumbnail_HWC in waiting:
        faces = [SeenFace(crop, next(answers)) for crop in photo.faces]
        yield SeenPhoto(photo.file, faces, photo.problem, sides, thumbnail_HWC)
