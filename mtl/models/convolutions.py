"""Convolutions whose map is a few positions large, as one matrix product.

Late stages of a trunk write maps of 1 x 1 or 2 x 2 on small images. There a convolution is a plain product of the
patches that it reads with its weight, and on a CPU that is two to twenty times as fast, forward and backward, as
oneDNN's convolution: most of whose time goes into bringing a large weight's gradient from its own layout into ours.
Taps that see nothing but padding are left out (of a 3 x 3 kernel on a 1 x 1 map all but the centre): their gradient is
exactly zero. Everything is laid out channels-last, so that patch and weight are rows without a copy.
Shape legend: B images, C channels, O outputs, H W height and width, P positions, F inputs of a patch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

MOST_POSITIONS = 4  # 2 x 2; on 4 x 4 oneDNN is as fast (benchmarks/convolutions.py)


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


def window(size: int, num_taps: int, stride: int, padding: int, dilation: int) -> Window | None:
    """The live part of a kernel on `size` rows; None where no tap sees the image or the live ones have gaps.

    Position o of tap i reads row  o stride + i dilation - padding.

    Example:
      >>> window(size=1, num_taps=3, stride=1, padding=1, dilation=1)  # the centre alone
      Window(first=1, num_taps=1, before=0, after=0, size=1)
      >>> window(size=2, num_taps=3, stride=1, padding=1, dilation=1)
      Window(first=0, num_taps=3, before=1, after=1, size=2)
    """
    written = (size + 2 * padding - dilation * (num_taps - 1) - 1) // stride + 1
    rows = [[o * stride + i * dilation - padding for o in range(written)] for i in range(num_taps)]
    live = [i for i, reads in enumerate(rows) if any(0 <= row < size for row in reads)]
    if not live or live != list(range(live[0], live[-1] + 1)):
        return None
    before, last = -rows[live[0]][0], rows[live[-1]][-1]
    return Window(live[0], len(live), before, last + 1 - size, written)


class Convolution(nn.Conv2d):
    """An `nn.Conv2d` that is a matrix product where its map has at most `MOST_POSITIONS` positions, on the CPU.

    The same function of the same parameters, up to rounding.
    """

    def forward(self, input: Tensor) -> Tensor:
        sides = self._windows(input)
        if input.device.type != "cpu" or sides is None or sides[0].size * sides[1].size > MOST_POSITIONS:
            return super().forward(input)
        return self._as_product(input, *sides)

    def _windows(self, images_BCHW: Tensor) -> tuple[Window, Window] | None:
        geometry = (self.kernel_size, self.stride, self.padding, self.dilation)
        rows, columns = (
            window(size, *(int(each[side]) for each in geometry)) for side, size in enumerate(images_BCHW.shape[2:])
        )
        return None if rows is None or columns is None else (rows, columns)

    def _as_product(self, images_BCHW: Tensor, rows: Window, columns: Window) -> Tensor:
        padded_BHWC = pad(
            images_BCHW.permute(0, 2, 3, 1), (0, 0, columns.before, columns.after, rows.before, rows.after)
        )
        read = [_slices(side, self.stride[axis], self.dilation[axis]) for axis, side in enumerate((rows, columns))]
        patches_BHWF = torch.cat([padded_BHWC[:, row, column] for row in read[0] for column in read[1]], dim=-1)
        weight_OHWC = self.weight.permute(0, 2, 3, 1)
        if (rows.num_taps, columns.num_taps) != self.kernel_size:  # a slice of everything would still cost its gradient
            weight_OHWC = weight_OHWC.narrow(1, rows.first, rows.num_taps).narrow(2, columns.first, columns.num_taps)
        return linear(patches_BHWF, weight_OHWC.flatten(1), self.bias).permute(0, 3, 1, 2)


def _slices(side: Window, stride: int, dilation: int) -> list[slice]:
    """What each live tap reads of the padded image."""
    starts = (i * dilation for i in range(side.num_taps))
    return [slice(start, start + stride * (side.size - 1) + 1, stride) for start in starts]


def replace_convolutions(module: nn.Module) -> nn.Module:
    """Makes each `nn.Conv2d` of a module a `Convolution`, in place; those with groups or other padding stay.

    Example:
      >>> replace_convolutions(nn.Sequential(nn.Conv2d(3, 8, 3)))
      Sequential(
        (0): Convolution(3, 8, kernel_size=(3, 3), stride=(1, 1))
      )
    """
    for layer in module.modules():
        plain = type(layer) is nn.Conv2d and layer.groups == 1 and layer.padding_mode == "zeros"
        if plain and isinstance(layer.padding, tuple):  # not "same" or "valid"
            layer.__class__ = Convolution  # the layer stays as it is but for its forward pass
    return module
