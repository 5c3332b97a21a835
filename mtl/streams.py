"""Random streams by name: what is drawn in a run is a pure function of what it is for and of a key.

The name is the first number of the key, so that two uses never share random numbers.
"""

from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

WORD = 2**32 - 1  # 32 binary digits


class Stream(IntEnum):
    """What random numbers are for, and what follows in the key."""

    ORDER = 1  # of an epoch's images: seed, epoch
    AUGMENTATION = 2  # flips, shifts and what methods draw: seed, epoch, batch
    GATES = 3  # number of the scheme in gating.DROPPING, seed, epoch, and step where they are drawn per step
    PROBE = 4  # the images that DST measures its losses on: seed
    HIDDEN_LABELS = 5  # number of the task; the same in all runs
    EXAMPLES = 6  # the test images that are shown; the same in all runs
    SPLIT = 7  # of a table that names none: data.split_seed
    OWN_GATES = 8  # seed of the gates, digest of the run's name, seed, epoch, and step where they are drawn per step
    PERMUTATION = 9  # of the tasks, for a control: seed
    FOLDS = 10  # which people are tested together; the same in all runs


PER_BATCH = (Stream.ORDER, Stream.AUGMENTATION)  # drawn with Philox, the others with NumPy's default


def generator(stream: int, *key: int) -> np.random.Generator:
    """The random numbers of a stream and a key of whole numbers that are not negative.

    Example:
      >>> generator(Stream.ORDER, 7, 2).permutation(6)
      array([5, 1, 3, 4, 0, 2])
    """
    seeds = np.random.SeedSequence([stream, *key])
    return np.random.Generator(np.random.Philox(seeds)) if stream in PER_BATCH else np.random.default_rng(seeds)


def hashed_uniforms(a: Tensor, b: Tensor, index: Tensor) -> Tensor:
    """Numbers in (0, 1) within a step, float32, odd multiples of 2^-24: a function of two words and a place.

    u_n = the first 23 digits of mix(b ^ mix(a ^ n))

    Words of 32 digits in int64, none of whose operations overflows, so the numbers are the same on every device,
    compiled or not. (Compiled C++ may do anything where a signed number overflows, and did.)

    Args:
      a, b: int64 scalars in [0, 2^32).
      index: int64, n.

    Example:
      >>> hashed_uniforms(torch.tensor(1), torch.tensor(2), torch.arange(6).view(2, 3)).shape
      torch.Size([2, 3])
    """
    digits = mix(b ^ mix(a ^ index)) >> 9
    return (2 * digits + 1).to(torch.float32) * 2.0**-24


def mix(words: Tensor) -> Tensor:
    """A bijection of 32 digits after which similar numbers look unrelated, found by C. Wellons' hash-prospector.

    Example:
      >>> mix(torch.tensor([0, 1, 2]))
      tensor([         0, 2261973619,  229111015])
    """
    words = ((words ^ (words >> 16)) * 0x21F0AAAD) & WORD
    words = ((words ^ (words >> 15)) * 0x735A2D97) & WORD
    return words ^ (words >> 15)
