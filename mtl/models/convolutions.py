"""Convolutions whose map is a few positions large, as one matrix product.

Late stages of a trunk write maps of 1 x 1 or 2 x 2 on small images. There a convolution is a plain product of the
patches that it reads with its weight. On a CPU that takes, forward and backward, about a tenth of the time of oneDNN's
convolution on 1 x 1 maps, and half to four fifths on 2 x 2 (artifacts/benchmarks/convolutions_cpu.json): the weight's
gradient is where oneDNN is slow.
Taps that see nothing but padding are left out (of a 3 x 3 kernel on a 1 x 1 map all but the centre): their gradient is
exactly zero. Everything is laid out channels-last, so that patch and weight are rows without a copy.
Shape legend: B images, C channels, O outputs, H W height and width, P positions, F inputs of a patch.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

MOST_POSITIONS = 4  # 2 x 2; on 4 x 4 oneDNN is as fast (benchmarks/convolutions.py)


class Geometry(NamedTuple):
    """How a kernel walks over the image, as `torch.nn.functional.conv2d` has it: each (rows, columns)."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


class Window(NamedTuple):
    """Along one side: the taps of the kernel that ever see the image, and how the image is padded for them.

    Attributes:
      first, num_taps: taps first, ..., first + num_taps - 1 are live.
      before, after: padding; negative where the last rows are not read.
      size: positions that are written.
    """

    first: int
    num_taps: int
    before: int
    after: int
    size: int


def window(size: int, num_taps: int, stride: int, padding: int, dilation: int) -> Window:
    """The part of a kernel, on `size` rows, from the first tap that sees the image to the last.

    Position o of tap i reads row  o stride + i dilation - padding.

    Example:
      >>> window(size=1, num_taps=3, stride=1, padding=1, dilation=1)  # the centre alone
      Window(first=1, num_taps=1, before=0, after=0, size=1)
      >>> window(size=2, num_taps=3, stride=1, padding=1, dilation=1)
      Window(first=0, num_taps=3, before=1, after=1, size=2)
    """
    written = max((size + 2 * padding - dilation * (num_taps - 1) - 1) // stride + 1, 0)
    if written == 0:  # the kernel is larger than the padded image, which torch has a sentence for
        return Window(0, num_taps, padding, padding, 0)
    reads = [[o * stride + i * dilation - padding for o in range(written)] for i in range(num_taps)]
    live = [i for i, rows in enumerate(reads) if any(0 <= row < size for row in rows)] or range(num_taps)
    first, last = live[0], live[-1]
    return Window(first, last - first + 1, -reads[first][0], reads[last][-1] + 1 - size, written)


def windows(size: Sequence[int], kernel_size: Sequence[int], geometry: Geometry) -> tuple[Window, Window]:
    """Along height and width of an image.

    Example:
      >>> [side.num_taps for side in windows((1, 4), (3, 3), Geometry((1, 1), (1, 1), (1, 1)))]
      [1, 3]
    """
    rows, columns = (window(size[i], kernel_size[i], *(each[i] for each in geometry)) for i in (0, 1))
    return rows, columns


def read_patches(images_BCHW: Tensor, rows: Window, columns: Window, geometry: Geometry) -> Tensor:
    """What each position of the map multiplies the live part of the kernel with: [B, H, W, F], taps before channels.

    Example:
      >>> geometry = Geometry((1, 1), (1, 1), (1, 1))
      >>> read_patches(torch.ones(5, 2, 1, 1), *windows((1, 1), (3, 3), geometry), geometry).shape
      torch.Size([5, 1, 1, 2])
    """
    padding = (0, 0, columns.before, columns.after, rows.before, rows.after)
    padded_BHWC = pad(images_BCHW.permute(0, 2, 3, 1), padding)
    read = [_slices(side, geometry.stride[i], geometry.dilation[i]) for i, side in enumerate((rows, columns))]
    return torch.cat([padded_BHWC[:, row, column] for row in read[0] for column in read[1]], dim=-1)


def _slices(side: Window, stride: int, dilation: int) -> list[slice]:
    """What each live tap reads of the padded image."""
    starts = (i * dilation for i in range(side.num_taps))
    return [slice(start, start + stride * (side.size - 1) + 1, stride) for start in starts]


class Convolution(nn.Conv2d):
    """An `nn.Conv2d` that is a matrix product where its map has at most `MOST_POSITIONS` positions, on the CPU.

    The same function of the same parameters, up to rounding.

    Example:
      >>> layer = Convolution(1, 1, kernel_size=3, padding=1, bias=False)
      >>> _ = nn.init.ones_(layer.weight)
      >>> layer(torch.full((1, 1, 1, 1), 5.0)).item()  # the centre sees the one pixel
      5.0
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type == "cpu":
            geometry = geometry_of(self)
            rows, columns = windows(input.shape[2:], self.kernel_size, geometry)
            if 0 < rows.size * columns.size <= MOST_POSITIONS:
                return as_product(input, self.weight, self.bias, rows, columns, geometry)
        return super().forward(input)


def as_product(
    images_BCHW: Tensor, weight_OCHW: Tensor, bias_O: Tensor | None, rows: Window, columns: Window, geometry: Geometry
) -> Tensor:
    """A convolution as a product of patches and kernel: [B, O, H, W].

    Example:
      >>> images, kernel, geometry = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3), Geometry((1, 1), (1, 1), (1, 1))
      >>> as_product(images, kernel, None, *windows((2, 2), (3, 3), geometry), geometry)
      tensor([[[[4., 4.],
                [4., 4.]]]])
    """
    weight_OHWC = weight_OCHW.permute(0, 2, 3, 1)
    if weight_OHWC.shape[1:3] != (rows.num_taps, columns.num_taps):  # a slice of everything still costs its gradient
        weight_OHWC = weight_OHWC.narrow(1, rows.first, rows.num_taps).narrow(2, columns.first, columns.num_taps)
    patches_BHWF = read_patches(images_BCHW, rows, columns, geometry)
    return linear(patches_BHWF, weight_OHWC.flatten(1), bias_O).permute(0, 3, 1, 2)


def geometry_of(layer: nn.Conv2d) -> Geometry:
    """How a layer convolves that is padded by numbers.

    Example:
      >>> geometry_of(nn.Conv2d(3, 8, 3, stride=2))
      Geometry(stride=(2, 2), padding=(0, 0), dilation=(1, 1))
    """
    assert isinstance(layer.padding, tuple), 'not "same" or "valid"'
    return Geometry(layer.stride, layer.padding, layer.dilation)


def is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a convolution in two dimensions without groups, padded with a given number of zeros.

    Example:
      >>> is_plain(nn.Conv2d(4, 4, 3)), is_plain(nn.Conv2d(4, 4, 3, groups=2))
      (True, False)
    """
    if not isinstance(layer, nn.Conv2d):
        return False
    return layer.groups == 1 and layer.padding_mode == "zeros" and isinstance(layer.padding, tuple)


def replace_convolutions(module: nn.Module) -> nn.Module:
    """Makes each `nn.Conv2d` of a module a `Convolution`, in place; those with groups or other padding stay.

    Example:
      >>> replace_convolutions(nn.Sequential(nn.Conv2d(3, 8, 3)))
      Sequential(
        (0): Convolution(3, 8, kernel_size=(3, 3), stride=(1, 1))
      )
    """
    for layer in module.modules():
        if type(layer) is nn.Conv2d and is_plain(layer):
            layer.__class__ = Convolution  # the layer stays as it is but for its forward pass
    return module
