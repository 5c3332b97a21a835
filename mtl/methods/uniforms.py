"""Uniform numbers for every coordinate of a gradient, from the step's one number for every task."""

import torch
from torch import Tensor

GOLDEN_GAMMA = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: SplitMix64's increment


def coordinate_uniforms(uniforms_K: Tensor, open_K: Tensor, num_coordinates: int) -> Tensor:
    """N numbers in (0, 1), float32, multiples of 2^-24: a function of the open tasks' uniforms and the coordinate.

    SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), evaluated at each coordinate's index: integer arithmetic modulo
    2^64, so the same on every device, compiled or not. The seed is a sum over the open tasks: their order does not
    matter, and closed tasks count nowhere.

    Args:
      uniforms_K: float in [0, 1), `Observation.uniforms_K`.
      open_K: bool.
      num_coordinates: N.
    """
    digits_K = (uniforms_K.to(torch.float64) * 2.0**53).to(torch.int64)  # all there are
    seed = torch.where(open_K, _mix(digits_K), 0).sum()
    index_N = torch.arange(1, num_coordinates + 1, device=uniforms_K.device)
    bits_N = _shift_right(_mix(seed + index_N * _signed(GOLDEN_GAMMA)), 41)
    return (2 * bits_N + 1).to(torch.float32) * 2.0**-24


def _mix(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser: a bijection of 64 bits after which similar numbers look unrelated."""
    bits = (bits ^ _shift_right(bits, 30)) * _signed(0xBF58476D1CE4E5B9)
    bits = (bits ^ _shift_right(bits, 27)) * _signed(0x94D049BB133111EB)
    return bits ^ _shift_right(bits, 31)


def _shift_right(bits: Tensor, count: int) -> Tensor:
    """The shift that fills with zeros; int64's own copies the sign."""
    return (bits >> count) & (2 ** (64 - count) - 1)


def _signed(bits: int) -> int:
    """The int64 with these 64 bits, of which the first is 1."""
    return bits - 2**64
