"""Faces in a photo, each with its box and five landmarks, found by MTCNN's cascade on the CPU.

Three networks look one after another: the first at every place of smaller and smaller copies of the photo, the second
and the third at what the one before took for a face. Each moves the boxes; the last also says where eyes, nose and
corners of the mouth are. The same photo gives the same faces. Coordinates are in pixels of the photo, x and y from its
upper left corner, so that the middle of the first pixel is (0.5, 0.5).

Source: Zhang et al. 2016, Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import nms, roi_align

from mtl.photos.networks import Network, Networks, apply_network

LONGEST_SIDE = 1280  # of the copy in which faces are sought; it bounds the work on one photo
SMALLEST_FACE = 24  # side in pixels of that copy
SHRINK = 0.709  # from one copy to the next: half of the pixels
CELL, STRIDE = 12, 2  # what the first network looks at, and how far apart
SURE = (0.6, 0.7, 0.9)  # probability from which on a network takes something for a face
MAX_BOXES = 2000  # that the second network looks at; a crowd needs fewer, and pure noise makes more


class Face(NamedTuple):
    """A face that was found."""

    box_4: np.ndarray  # left, top, right, bottom
    landmarks_52: np.ndarray  # x and y of left eye, right eye, nose, left and right corner of the mouth, as seen
    probability: float


def find_faces(photo_HWC: np.ndarray, networks: Networks) -> list[Face]:
    """All faces that are upright or turned somewhat (tried: up to 20 degrees), the largest first.

    Args:
      photo_HWC: uint8, RGB, of any size.
      networks: of load_networks().
    """
    photo_1CHW = torch.from_numpy(photo_HWC.copy()).permute(2, 0, 1)[None]
    scale = LONGEST_SIDE / max(photo_HWC.shape)
    with torch.inference_mode():
        if scale < 1.0:  # while it is uint8, as a large photo fills the memory otherwise
            photo_1CHW = _shrink(photo_1CHW, scale)
        photo_1CHW = (photo_1CHW - 127.5) / 128.0
        boxes_N4 = _propose(photo_1CHW, networks.proposal)
        boxes_N4 = _refine(photo_1CHW, boxes_N4, networks.refinement)
        boxes_N4, landmarks_N52, probabilities_N = _locate(photo_1CHW, boxes_N4, networks.output)
    to_photo = np.array(photo_HWC.shape[1::-1]) / np.array(photo_1CHW.shape[:1:-1])
    boxes_N4 = boxes_N4.double().numpy() * np.tile(to_photo, 2)
    landmarks_N52 = landmarks_N52.double().numpy() * to_photo
    faces = [Face(*face) for face in zip(boxes_N4, landmarks_N52, probabilities_N.tolist(), strict=True)]
    return sorted(faces, key=lambda face: -float(np.prod(face.box_4[2:] - face.box_4[:2])))


def _shrink(photo_1CHW: Tensor, scale: float) -> Tensor:
    size = [max(round(scale * side), 1) for side in photo_1CHW.shape[2:]]
    return F.interpolate(photo_1CHW, size=size, mode="bilinear", antialias=True)


def _copies(photo_1CHW: Tensor) -> Iterator[Tensor]:
    """The photo so small that the smallest face fills a cell, then half of that, as long as there is a cell."""
    scale = CELL / SMALLEST_FACE
    while min(photo_1CHW.shape[2:]) * scale >= CELL:
        yield _shrink(photo_1CHW, scale)
        scale *= SHRINK


def _propose(photo_1CHW: Tensor, network: Network) -> Tensor:
    """Squares [N, 4] that may hold a face."""
    boxes, probabilities = [torch.zeros(0, 4)], [torch.zeros(0)]
    for copy_1CHW in _copies(photo_1CHW):
        shifts_14HW, probability_11HW = apply_network(network, copy_1CHW)
        row_N, column_N = torch.nonzero(probability_11HW[0, 0] >= SURE[0], as_tuple=True)
        corner_N2 = STRIDE * torch.stack([column_N, row_N], dim=1)
        to_photo_2 = torch.tensor([photo_1CHW.shape[3] / copy_1CHW.shape[3], photo_1CHW.shape[2] / copy_1CHW.shape[2]])
        boxes_N4 = torch.cat([corner_N2, corner_N2 + CELL], dim=1) * to_photo_2.repeat(2)
        probability_N = probability_11HW[0, 0, row_N, column_N]
        kept_N = nms(boxes_N4, probability_N, 0.5)
        boxes.append(_shift(boxes_N4, shifts_14HW[0, :, row_N, column_N].T)[kept_N])
        probabilities.append(probability_N[kept_N])
    all_N4, probability_N = torch.cat(boxes), torch.cat(probabilities)
    return _squares(all_N4[nms(all_N4, probability_N, 0.7)[:MAX_BOXES]])


def _refine(photo_1CHW: Tensor, boxes_N4: Tensor, network: Network) -> Tensor:
    """Fewer and better squares."""
    shifts_N4, probability_N = (output.flatten(1) for output in apply_network(network, _cut(photo_1CHW, boxes_N4, 24)))
    sure_N = probability_N[:, 0] >= SURE[1]
    boxes_N4, shifts_N4, probability_N = boxes_N4[sure_N], shifts_N4[sure_N], probability_N[sure_N, 0]
    kept_N = nms(boxes_N4, probability_N, 0.7)
    return _squares(_shift(boxes_N4, shifts_N4)[kept_N])


def _locate(photo_1CHW: Tensor, boxes_N4: Tensor, network: Network) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, landmarks and probabilities of the faces."""
    outputs = apply_network(network, _cut(photo_1CHW, boxes_N4, 48))
    shifts_N4, points_N10, probability_N1 = (output.flatten(1) for output in outputs)
    sure_N = probability_N1[:, 0] >= SURE[2]
    boxes_N4, probability_N = boxes_N4[sure_N], probability_N1[sure_N, 0]
    landmarks_N52 = points_N10[sure_N].unflatten(1, (2, 5)).transpose(1, 2)
    landmarks_N52 = boxes_N4[:, None, :2] + landmarks_N52 * (boxes_N4[:, 2:] - boxes_N4[:, :2])[:, None]
    boxes_N4 = _shift(boxes_N4, shifts_N4[sure_N])
    kept_N = _apart(boxes_N4, probability_N)
    return boxes_N4[kept_N], landmarks_N52[kept_N], probability_N[kept_N]


def _cut(photo_1CHW: Tensor, boxes_N4: Tensor, size: int) -> Tensor:
    """What boxes hold, [N, 3, size, size]; grey outside of the photo."""
    return roi_align(photo_1CHW, [boxes_N4], output_size=size, aligned=True)


def _shift(boxes_N4: Tensor, shifts_N4: Tensor) -> Tensor:
    """Boxes whose corners were moved, by shares of the boxes' sides."""
    return boxes_N4 + shifts_N4 * (boxes_N4[:, 2:] - boxes_N4[:, :2]).repeat(1, 2)


def _squares(boxes_N4: Tensor) -> Tensor:
    """Squares with the middles of boxes, and their longer sides."""
    middle_N2, sides_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2, boxes_N4[:, 2:] - boxes_N4[:, :2]
    half_N1 = sides_N2.amax(dim=1, keepdim=True) / 2
    return torch.cat([middle_N2 - half_N1, middle_N2 + half_N1], dim=1)


def _apart(boxes_N4: Tensor, probability_N: Tensor) -> list[int]:
    """Which boxes stay if of two, the smaller of which lies to 0.7 in the other, only the likelier one stays."""
    kept: list[int] = []
    area_N = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(dim=1)
    for number in probability_N.argsort(descending=True, stable=True).tolist():
        upper_2, lower_2 = boxes_N4[number, :2], boxes_N4[number, 2:]
        common_K2 = torch.minimum(boxes_N4[kept, 2:], lower_2) - torch.maximum(boxes_N4[kept, :2], upper_2)
        smaller_K = torch.minimum(area_N[kept], area_N[number])
        if not (common_K2.clamp(min=0).prod(dim=1) > 0.7 * smaller_K).any():
            kept.append(number)
    return kept
