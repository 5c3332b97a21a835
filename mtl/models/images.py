"""What happens to images before the trunk: flips and shifts in training, and the normalisation that weights expect."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

Channels = tuple[float, float, float]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Augmentation(NamedTuple):
    """What is drawn for the B images of a batch.

    Attributes:
      flip_B: bool, True mirrors left and right.
      shift_B2: int64, rows and columns in pixels; (1, 2) shows the image one row up and two columns to the left.
    """

    flip_B: Tensor
    shift_B2: Tensor


def normalize(images_BCHW: Tensor, mean: Channels = IMAGENET_MEAN, std: Channels = IMAGENET_STD) -> Tensor:
    """Maps uint8 pixels to float32: (x / 255 - mean) / std; torchvision's weights expect ImageNet's.

    Example:
      >>> normalize(torch.full((1, 3, 1, 1), 124, dtype=torch.uint8)).flatten()
      tensor([0.0056, 0.1352, 0.3568])
    """
    shift, scale = _per_channel(mean, images_BCHW), 1.0 / _per_channel(std, images_BCHW)
    return images_BCHW.to(torch.float32) * (scale / 255.0) - shift * scale


def augment(images_BCHW: Tensor, augmentation: Augmentation) -> Tensor:
    """Flips and shifts each image by its own draw; what a shift uncovers repeats the border.

    Example:
      >>> flip = Augmentation(torch.tensor([True]), torch.zeros(1, 2, dtype=torch.int64))
      >>> augment(torch.tensor([[[[1, 2, 3]]]]), flip)
      tensor([[[[3, 2, 1]]]])
    """
    num_images, num_channels, height, width = images_BCHW.shape
    device, (flip_B, shift_B2) = images_BCHW.device, augmentation
    rows_BH = (torch.arange(height, device=device) + shift_B2[:, :1]).clamp(0, height - 1)
    columns_BW = (torch.arange(width, device=device) + shift_B2[:, 1:]).clamp(0, width - 1)
    columns_BW = torch.where(flip_B[:, None], width - 1 - columns_BW, columns_BW)
    image_index = torch.arange(num_images, device=device)[:, None, None, None]
    channel_index = torch.arange(num_channels, device=device)[None, :, None, None]
    return images_BCHW[image_index, channel_index, rows_BH[:, None, :, None], columns_BW[:, None, None, :]]


def augment_and_normalize(images_BCHW: Tensor, augmentation: Augmentation) -> Tensor:
    """What the trunk reads in training: [B, 3, H, W] float32.

    Example:
      >>> flip = Augmentation(torch.tensor([True]), torch.zeros(1, 2, dtype=torch.int64))
      >>> images_BCHW = torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2)
      >>> augment_and_normalize(images_BCHW, flip)[0, 0]
      tensor([[ 2.2489, -2.1179]])
    """
    return normalize(augment(images_BCHW, augmentation))


def at_size(prepare: Callable[..., Tensor], size: int) -> Callable[..., Tensor]:
    """What `prepare` makes of images, averaged over areas down to `size` x `size` pixels where it is larger.

    Example:
      >>> at_size(normalize, 2)(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)).shape
      torch.Size([1, 3, 2, 2])
    """

    def prepare_at_size(*given: Any) -> Tensor:
        images_BCHW = prepare(*given)
        return images_BCHW if images_BCHW.shape[-1] == size else adaptive_avg_pool2d(images_BCHW, size)

    return prepare_at_size


def _per_channel(values: Channels, images_BCHW: Tensor) -> Tensor:
    """[C, 1, 1] float32, made on the images' device: `torch.tensor` would copy there, and wait for the copy."""
    return torch.stack([torch.full((1, 1), value, device=images_BCHW.device) for value in values])
