"""How far what a file gives is from what the network gives, on images that need no data."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

NUM_IMAGES = 100
BATCHES = (1, 7, *(23,) * 4)  # images at once; the graph was made with 2


def draw_images(size: int) -> Tensor:
    """Images, uint8 [NUM_IMAGES, 3, size, size], the same every time: half noise, half smooth as faces are.

    Example:
      >>> draw_images(8).shape
      torch.Size([100, 3, 8, 8])
    """
    generator = torch.Generator().manual_seed(0)
    noise_BCHW = torch.rand(NUM_IMAGES // 2, 3, size, size, generator=generator)
    coarse_BCHW = torch.rand(NUM_IMAGES // 2, 3, 4, 4, generator=generator)
    smooth_BCHW = interpolate(coarse_BCHW, (size, size), mode="bilinear", align_corners=True)
    return (255 * torch.cat([noise_BCHW, smooth_BCHW])).round().to(torch.uint8)


def greatest_difference(
    one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], images_BCHW: Tensor
) -> float:
    """The greatest absolute difference of two functions' values, in batches of several sizes; NaN where one has it.

    Args:
      images_BCHW: NUM_IMAGES.

    Example:
      >>> greatest_difference(lambda images: images.float(), lambda images: images + 0.5, torch.zeros(100, 3, 1, 1))
      0.5
    """
    parts = images_BCHW.split(BATCHES)
    return float(torch.stack([(one(part) - other(part)).abs().max() for part in parts]).max())
