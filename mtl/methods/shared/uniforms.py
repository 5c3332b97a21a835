"""Uniform numbers for every coordinate of a gradient, from the step's one number for every task."""

import torch
from torch import Tensor

WORD = 2**32 - 1  # 32 binary digits


def coordinate_uniforms(uniforms_K: Tensor, open_K: Tensor, num_coordinates: int) -> Tensor:
    """N numbers in (0, 1), float32, odd multiples of 2^-24: a function of the open tasks' uniforms and the coordinate.

    u_n = the first 23 digits of mix(b ^ mix(a ^ n)),  a = sum_t mix(d_t),  b = sum_t mix(~d_t),  d_t the digits of u_t

    Words of 32 digits in int64, none of whose operations overflows, so the numbers are the same on every device,
    compiled or not. (Compiled C++ may do anything where a signed number overflows, and did.) The sums are over the open
    tasks: their order does not matter, and closed tasks count nowhere.

    Args:
      uniforms_K: float in [0, 1), `Observation.uniforms_K`.
      open_K: bool.
      num_coordinates: N.
    """
    digits_K = (uniforms_K.to(torch.float64) * 2.0**32).to(torch.int64)
    a, b = (torch.where(open_K, _mix(word_K), 0).sum() & WORD for word_K in (digits_K, WORD - digits_K))
    index_N = torch.arange(num_coordinates, device=uniforms_K.device)
    bits_N = _mix(b ^ _mix(a ^ index_N)) >> 9
    return (2 * bits_N + 1).to(torch.float32) * 2.0**-24


def _mix(words: Tensor) -> Tensor:
    """A bijection of 32 digits after which similar numbers look unrelated, found by C. Wellons' hash-prospector."""
    words = ((words ^ (words >> 16)) * 0x21F0AAAD) & WORD
    words = ((words ^ (words >> 15)) * 0x735A2D97) & WORD
    return words ^ (words >> 15)
