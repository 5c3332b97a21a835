"""Uniform numbers for every coordinate of a gradient, from the step's one number for every task."""

import torch
from torch import Tensor

from mtl.streams import WORD, hashed_uniforms, mix


def coordinate_uniforms(uniforms_K: Tensor, open_K: Tensor, num_coordinates: int) -> Tensor:
    """N numbers in (0, 1), float32, odd multiples of 2^-24: a function of the open tasks' uniforms and the coordinate.

    `streams.hashed_uniforms` with  a = sum_t mix(d_t),  b = sum_t mix(~d_t),  d_t the digits of u_t

    The sums are over the open tasks: their order does not matter, and closed tasks count nowhere.

    Args:
      uniforms_K: float in [0, 1), `Observation.uniforms_K`.
      open_K: bool.
      num_coordinates: N.

    Example:
      >>> uniforms_K, open_K = torch.tensor([0.25, 0.75]), torch.tensor([True, True])
      >>> coordinate_uniforms(uniforms_K, open_K, num_coordinates=3)
      tensor([0.5014, 0.9062, 0.2100])
    """
    digits_K = (uniforms_K.to(torch.float64) * 2.0**32).to(torch.int64)
    a, b = (torch.where(open_K, mix(word_K), 0).sum() & WORD for word_K in (digits_K, WORD - digits_K))
    index_N = torch.arange(num_coordinates, device=uniforms_K.device)
    return hashed_uniforms(a, b, index_N)
