"""Small pictures, as they stand within a page."""

import base64
import io

import numpy as np
from PIL import Image

QUALITY = 80


def shrink(image_HWC: np.ndarray, longest_side: int) -> np.ndarray:
    """The image, made smaller if a side is longer than that: uint8 [H', W', 3].

    Example:
      >>> shrink(np.zeros((600, 800, 3), np.uint8), 400).shape, shrink(np.zeros((1, 9000, 3), np.uint8), 400).shape
      ((300, 400, 3), (1, 400, 3))
    """
    height, width = image_HWC.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return image_HWC
    size = (max(round(scale * width), 1), max(round(scale * height), 1))
    return np.asarray(Image.fromarray(image_HWC).resize(size, Image.Resampling.BOX))


def as_uri(image_HWC: np.ndarray) -> str:
    """The image as JPEG in a data URI, which has no character that markup would have to escape.

    Example:
      >>> as_uri(np.zeros((2, 2, 3), np.uint8))[:27]
      'data:image/jpeg;base64,/9j/'
    """
    stream = io.BytesIO()
    Image.fromarray(image_HWC).save(stream, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
