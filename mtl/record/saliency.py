"""Which pixels an answer hangs on: as bytes, and laid over the image."""

import numpy as np

HEAT = (213, 40, 0)  # RGB of the pixel that counts most


def to_bytes(saliency_BKHW: np.ndarray) -> np.ndarray:
    """Scales each map so that its largest value is 255; a map of zeros stays one: uint8.

    Example:
      >>> to_bytes(np.array([[[[0.0, 0.02]], [[0.0, 0.0]]]])).tolist()
      [[[[0, 255]], [[0, 0]]]]
    """
    largest = saliency_BKHW.max(axis=(2, 3), keepdims=True)
    return np.rint(255.0 * saliency_BKHW / np.where(largest > 0, largest, 1.0)).astype(np.uint8)


def overlay(image_HW3: np.ndarray, saliency_HW: np.ndarray) -> np.ndarray:
    """The image in pale grey, coloured where the saliency is high: [H, W, 3] uint8.

    Example:
      >>> overlay(np.zeros((1, 2, 3), np.uint8), np.array([[0, 255]], np.uint8)).tolist()
      [[[102, 102, 102], [213, 40, 0]]]
    """
    grey = 0.6 * image_HW3.mean(axis=2, keepdims=True) + 0.4 * 255
    strength = (saliency_HW / 255)[..., None]
    return (grey * (1 - strength) + np.array(HEAT) * strength).astype(np.uint8)
