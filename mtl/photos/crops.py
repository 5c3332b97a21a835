"""From photos to what a network of CelebA's aligned images takes: a crop for each face."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mtl.data.decoding import fit
from mtl.errors import UserError, check_choice
from mtl.photos.alignment import HEIGHT, LANDMARKS_52, WEIGHTS_5, WIDTH, fit_similarity, warp
from mtl.photos.faces import find_faces
from mtl.photos.networks import Networks, load_networks
from mtl.photos.reading import read_photo

ALIGN = ("on", "off")


class FaceCrop(NamedTuple):
    """A face of a photo, ready for a network."""

    file: Path
    box_4: np.ndarray  # left, top, right, bottom in pixels of the upright photo; the whole photo with align="off"
    landmarks_52: np.ndarray | None  # x and y of eyes, nose and corners of the mouth; None with align="off"
    image_CHW: np.ndarray  # [3, S, S] uint8


class Photo(NamedTuple):
    """A photo with its faces, or what is wrong with it."""

    file: Path
    faces: list[FaceCrop]  # the largest first
    problem: str | None  # a sentence, if there is no face
    image_HWC: np.ndarray | None  # uint8, upright; None if it cannot be read


def crop_faces(files: Sequence[Path], image_size: int, crop: str, align: str = "on") -> Iterator[Photo]:
    """Reads photos one after another and crops their faces; a bad photo is said, and the others go on.

    What can be wrong with the arguments is said at once, before the first photo is asked for.

    Args:
      files: photos, as of find_photos().
      image_size: S, the side of what the network takes.
      crop: "full" or "square", as the network was trained.
      align: "on" finds faces and brings their eyes and mouths to where they are in CelebA's aligned images; "off" takes
        each photo as such an image.

    Raises:
      UserError: the package that finds faces is not installed.
    """
    check_choice("align", align, ALIGN)
    networks = load_networks() if align == "on" else None
    return _crop_all(files, image_size, crop, networks)


def _crop_all(files: Sequence[Path], image_size: int, crop: str, networks: Networks | None) -> Iterator[Photo]:
    for file in files:
        try:
            photo_HWC = read_photo(file)
        except UserError as error:
            yield Photo(file, [], str(error), None)
            continue
        if networks is None:
            height, width = photo_HWC.shape[:2]
            whole = FaceCrop(file, np.array([0.0, 0.0, width, height]), None, fit_photo(photo_HWC, image_size, crop))
            yield Photo(file, [whole], None, photo_HWC)
        else:
            faces = [
                FaceCrop(file, box_4, landmarks_52, fit_photo(align_face(photo_HWC, landmarks_52), image_size, crop))
                for box_4, landmarks_52, _ in find_faces(photo_HWC, networks)
            ]
            yield Photo(file, faces, None if faces else f"no face was found in {file}.", photo_HWC)


def align_face(photo_HWC: np.ndarray, landmarks_52: np.ndarray) -> np.ndarray:
    """A face as CelebA's aligned images show it, [218, 178, 3] uint8.

    Args:
      photo_HWC: uint8.
      landmarks_52: eyes, nose and corners of the mouth in the photo, as of find_faces().
    """
    return warp(photo_HWC, fit_similarity(landmarks_52, LANDMARKS_52, WEIGHTS_5), WIDTH, HEIGHT)


def fit_photo(image_HWC: np.ndarray, image_size: int, crop: str) -> np.ndarray:
    """What a network sees of an aligned image, [3, S, S] uint8."""
    return fit(torch.from_numpy(image_HWC).permute(2, 0, 1), image_size, crop).contiguous().numpy()
