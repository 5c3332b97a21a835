"""Random streams by name: what is drawn in a run is a pure function of what it is for and of a key.

The name is the first number of the key, so that two uses never share random numbers.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for, and what follows in the key."""

    ORDER = 1  # of an epoch's images: seed, epoch
    AUGMENTATION = 2  # flips, shifts and what methods draw: seed, epoch, batch
    GATES = 3  # number of the scheme in gating.DROPPING, seed, epoch, and step where they are drawn per step
    PROBE = 4  # the images that DST measures its losses on: seed
    HIDDEN_LABELS = 5  # number of the task; the same in all runs
    EXAMPLES = 6  # the test images that are shown; the same in all runs


PER_BATCH = (Stream.ORDER, Stream.AUGMENTATION)  # drawn with Philox, the others with NumPy's default


def generator(stream: Stream, *key: int) -> np.random.Generator:
    """The random numbers of a stream and a key of whole numbers that are not negative.

    Example:
      >>> generator(Stream.ORDER, 7, 2).permutation(6)
      array([5, 1, 3, 4, 0, 2])
    """
    seeds = np.random.SeedSequence([stream, *key])
    return np.random.Generator(np.random.Philox(seeds)) if stream in PER_BATCH else np.random.default_rng(seeds)
