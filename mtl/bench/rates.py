"""The best rates that this machine shows: of matrix products and of convolutions, float32, operations per second."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from mtl.bench.settings import Effort
from mtl.bench.timing import seconds


class Convolution(NamedTuple):
    """A 3 x 3 convolution of B maps with as many channels out as in, S x S positions."""

    batch_size: int
    num_channels: int
    size: int


GEMM_SIZES = (512, 1024, 2048)
CONVOLUTIONS = (Convolution(64, 64, 16), Convolution(64, 64, 32), Convolution(64, 128, 16), Convolution(32, 256, 16))


class Rates(NamedTuple):
    """Operations per second; a multiplication and an addition are two."""

    gemm: float
    convolution: float


def measure(device: torch.device, effort: Effort) -> Rates:
    """The best over sizes, memory formats and rounds."""
    gemm = max(_rate(*make_gemm(size, device), device, effort) for size in GEMM_SIZES)
    formats = (torch.contiguous_format, torch.channels_last)
    convolution = max(
        _rate(*make_convolution(shape, memory_format, device), device, effort)
        for shape in CONVOLUTIONS
        for memory_format in formats
    )
    return Rates(gemm, convolution)


def make_gemm(size: int, device: torch.device) -> tuple[Callable[[], Tensor], int]:
    """A product of square matrices, and its number of operations.

    Example:
      >>> make_gemm(10, torch.device("cpu"))[1]
      2000
    """
    one, other = torch.randn(2, size, size, device=device)
    return lambda: one @ other, 2 * size**3


def make_convolution(
    shape: Convolution, memory_format: torch.memory_format, device: torch.device
) -> tuple[Callable[[], Tensor], int]:
    """A convolution, and its number of operations; those with the padding's zeros count.

    Example:
      >>> make_convolution(Convolution(1, 2, 5), torch.channels_last, torch.device("cpu"))[1]
      1800
    """
    num_images, num_channels, size = shape
    images_BCHW = torch.randn(num_images, num_channels, size, size, device=device)
    kernel = torch.randn(num_channels, num_channels, 3, 3, device=device)
    images_BCHW, kernel = (each.contiguous(memory_format=memory_format) for each in (images_BCHW, kernel))
    return lambda: conv2d(images_BCHW, kernel, padding=1), 2 * num_images * size**2 * 9 * num_channels**2


def _rate(function: Callable[[], Tensor], num_operations: int, device: torch.device, effort: Effort) -> float:
    for _ in range(effort.num_warmup):
        function()
    return num_operations / min(seconds(function, device) for _ in range(max(1, effort.min_rounds)))
