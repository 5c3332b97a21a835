"""What the page is told of a photo and of a face: bytes in, plain values out. Nothing is written, nothing is kept."""

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from mtl.errors import UserError
from mtl.photos.crops import align_face, fit_photo
from mtl.photos.faces import Face
from mtl.photos.reading import decode_photo
from mtl.predict.answers import Ask, binary_tasks, in_words, make_ask, other_tasks
from mtl.record.saliency import overlay
from mtl.trained.facts import in_plain_words
from mtl.trained.folder import load_model
from mtl.trained.settings import Settings

FindFaces = Callable[[np.ndarray], Sequence[Face]]  # of a photo [H, W, 3] uint8


class Network(NamedTuple):
    """A trained network as the page asks it.

    Attributes:
      name: the method that trained it, if its folder says so.
      place: its folder, as it was given.
      ask, ask_why: without and with saliency, see `make_ask`.
    """

    name: str
    place: str
    settings: Settings
    ask: Ask
    ask_why: Ask


def load_network(folder: Path, device: torch.device | str = "cpu") -> Network:
    """Loads a model folder onto a device.

    Raises:
      UserError: if it is none, or damaged.
    """
    loaded = load_model(folder, device)
    method = loaded.settings.trained.get("method")
    name = method if isinstance(method, str) else folder.name
    return Network(name, str(folder), loaded.settings, make_ask(loaded), make_ask(loaded, with_saliency=True))


def describe(networks: Sequence[Network]) -> list[dict[str, Any]]:
    """What the page says of the networks themselves."""
    return [
        {
            "name": network.name,
            "place": network.place,
            "tasks": [*binary_tasks(network.settings), *other_tasks(network.settings)],
            "thresholds": [network.settings.thresholds[task] for task in binary_tasks(network.settings)],
            "limits": in_plain_words(network.settings.trained.get("data"))[0],
        }
        for network in networks
    ]


def answer_photo(networks: Sequence[Network], find_faces: FindFaces, data: bytes, aligned: bool) -> dict[str, Any]:
    """What networks say of the faces of a photo.

    Args:
      networks: at least one.
      find_faces: finds a photo's faces; not called if it is aligned.
      data: of a file, in any format that training reads.
      aligned: the photo is taken as one of CelebA's aligned images, which holds one face.

    Returns:
      width, height: of the upright photo, in pixels.
      faces: for each, the largest first: box (left, top, right, bottom in these pixels) and views, one for each
        network: crop, what it sees as a PNG in base64; probabilities, and present, its decisions, in the order of its
        tasks with yes or no; words, what it says of the others, which come after these.

    Raises:
      UserError: it is no photo, or shows no face.
    """
    photo_HWC = _decode(data)
    height, width = photo_HWC.shape[:2]
    if aligned:
        boxes, images = [[0.0, 0.0, width, height]], [photo_HWC]
    else:
        faces = find_faces(photo_HWC)
        boxes = [[float(side) for side in face.box_4] for face in faces]
        images = [align_face(photo_HWC, face.landmarks_52) for face in faces]
    if not images:
        raise UserError(
            "no face was found in this photo: faces should be upright, seen from the front and not too small; if it is "
            'a crop like those of CelebA, tick "already aligned"'
        )
    views = zip(*(_views(network, images) for network in networks), strict=True)
    found = [{"box": box, "views": list(of_face)} for box, of_face in zip(boxes, views, strict=True)]
    return {"width": width, "height": height, "faces": found}


def answer_saliency(network: Network, data: bytes) -> list[str]:
    """Which pixels each answer hangs on: for each task, as the page has them, the crop with heat over it, as a PNG.

    Args:
      network: the one that said something of the crop.
      data: the crop, as `answer_photo` gave it; so the server need not remember it.

    Raises:
      UserError: it is not such a crop.
    """
    crop_HWC = _decode(data)
    side = network.settings.image_size
    if crop_HWC.shape[:2] != (side, side):
        raise UserError(f"this network looks at {side} x {side} pixels, and was sent {crop_HWC.shape[:2][::-1]}")
    (answer,) = network.ask_why(np.ascontiguousarray(crop_HWC.transpose(2, 0, 1))[None])
    assert answer.saliency_KHW is not None
    settings = network.settings
    order = [settings.tasks.index(task) for task in (*binary_tasks(settings), *other_tasks(settings))]
    return [_to_png(overlay(crop_HWC, answer.saliency_KHW[k])) for k in order]


def _decode(data: bytes) -> np.ndarray:
    """A photo, [H, W, 3] uint8, upright."""
    if not data:
        raise UserError("this is no photo: it is empty")
    try:
        return decode_photo(data)
    except UserError as error:
        raise UserError(f"this cannot be read as a photo: {error}") from error


def _views(network: Network, images: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """What a network sees of faces, aligned images [H, W, 3], and what it says of each."""
    size, crop = network.settings.image_size, network.settings.crop
    crops_BCHW = np.stack([fit_photo(image_HWC, size, crop) for image_HWC in images])
    return [
        {
            "crop": _to_png(crop_CHW.transpose(1, 2, 0)),
            "probabilities": answer.probability_K.tolist(),
            "present": answer.at_threshold_K.tolist(),
            "words": [in_words(kind, answer.others[task]) for task, kind in other_tasks(network.settings).items()],
        }
        for crop_CHW, answer in zip(crops_BCHW, network.ask(crops_BCHW), strict=True)
    ]


def _to_png(image_HWC: np.ndarray) -> str:
    """An image in base64, without a loss."""
    file = io.BytesIO()
    Image.fromarray(image_HWC).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
