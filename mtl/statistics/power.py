"""What gain a planned study finds, and whether it can show equality."""

from typing import NamedTuple

import numpy as np

from mtl.statistics.significance import special

STEPS = 60  # halvings


class Design(NamedTuple):
    """A planned comparison of two methods.

    Attributes:
      num_units: seeds, or folds.
      num_images: that each is tested on.
      overlap: n_test / n_train of folds; 0 for seeds.
      seed_spread: SD over seeds of one method's mean accuracy, apart from what the test images add, a fraction.
      image_spread: SD over test images, between people, of the difference of two networks in how many of the tasks they
        have right, a share of the tasks; 0.10 in the study of 10,000 CelebA images that is committed.
      level: 0.95 tests at 5%.
      num_comparisons: over which p values are corrected; the smallest must be below (1 - level) / number.
    """

    num_units: int
    num_images: int
    overlap: float
    seed_spread: float
    image_spread: float
    level: float = 0.95
    num_comparisons: int = 1


def standard_error(design: Design) -> float:
    """Of the mean difference, as far as it is known before: sqrt(s^2 (1 / S + n_test / n_train)).

      s^2 = 2 seed_spread^2 + image_spread^2 / num_images

    Example:
      >>> standard_error(Design(4, 100, 0.0, seed_spread=0.0, image_spread=0.1))
      0.005
    """
    spread = 2 * design.seed_spread**2 + design.image_spread**2 / design.num_images
    return float((spread * (1 / design.num_units + design.overlap)) ** 0.5)


def power_of_gain(design: Design, gain: float) -> float:
    """The probability that a true gain gets its verdict: that of a noncentral t beyond its threshold.

    Example:
      >>> design = Design(5, 1000, 0.0, seed_spread=0.002, image_spread=0.1)
      >>> round(power_of_gain(design, 0.0), 3)  # of none: half of 5%
      0.025
    """
    freedom = design.num_units - 1
    threshold = special().stdtrit(freedom, 1 - (1 - design.level) / (2 * design.num_comparisons))
    return 1.0 - float(special().nctdtr(freedom, gain / standard_error(design), threshold))


def find_gain(design: Design, power: float = 0.8) -> float:
    """The gain that is found with that probability; infinite for a single seed, which gets no verdict.

    Example:
      >>> design = Design(5, 1000, 0.0, seed_spread=0.002, image_spread=0.1)
      >>> round(power_of_gain(design, find_gain(design)), 6)
      0.8
    """
    if design.num_units < 2:
        return float("inf")
    low, high = 0.0, standard_error(design)
    while power_of_gain(design, high) < power:
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if power_of_gain(design, middle) < power else (low, middle)
    return (low + high) / 2


def power_of_equality(design: Design, margin: float, num_draws: int = 20_000) -> float:
    """The probability that two equal methods are found equal within the margin, from drawn studies.

    Example:
      >>> power_of_equality(Design(5, 100_000, 0.0, seed_spread=0.0, image_spread=0.1), margin=0.003)
      1.0
    """
    freedom, error = design.num_units - 1, standard_error(design)
    generator = np.random.default_rng(0)
    differences = error * generator.standard_normal(num_draws)
    estimates = error * np.sqrt(generator.chisquare(freedom, num_draws) / freedom)
    return float((np.abs(differences) + special().stdtrit(freedom, design.level) * estimates < margin).mean())
