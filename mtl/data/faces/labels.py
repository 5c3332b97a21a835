"""Samples labels of faces that have CelebA's positive rates, correlations and hard rules.

A Gaussian copula: a row of 40 correlated normal numbers z, one per attribute; attribute k is present where z_k exceeds
its threshold t_k, after the rules have removed what excludes each other. Half of the numbers' variance or so belongs
to the identity, so that a person looks alike in all its images, and the rest to the image.
"""

import math
from typing import NamedTuple

import numpy as np

from mtl.data.celeba_statistics import read_statistics

BEARDS = ("Goatee", "Mustache", "Sideburns")
HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
HAIR_FORMS = ("Straight_Hair", "Wavy_Hair")
MEN_ONLY = ("Bald", "5_o_Clock_Shadow", *BEARDS, "Wearing_Necktie")
WOMEN_ONLY = ("Heavy_Makeup", "Wearing_Lipstick")
ONE_OF = (HAIR_COLOURS, HAIR_FORMS)
# What an attribute excludes: pairs that share less than about 4% of the rarer one's images in CelebA.
EXCLUDES = {
    "Bald": ("Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", *HAIR_FORMS, "Wearing_Hat"),
    "Bangs": ("Receding_Hairline",),
    "Wearing_Hat": ("Receding_Hairline",),
    "Goatee": ("No_Beard",),
    "Mustache": ("No_Beard",),
    "Sideburns": ("No_Beard",),
}
# How much of an attribute belongs to the person (squared: share of the variance); 0.5 where nothing is said.
PERMANENCE = {
    **dict.fromkeys(("Big_Nose", "Pointy_Nose", "Oval_Face", "Big_Lips", "Narrow_Eyes", "Pale_Skin", "Chubby"), 0.9),
    **dict.fromkeys(("Double_Chin", "Bald", "Young", "Gray_Hair", "Receding_Hairline", "Bushy_Eyebrows"), 0.9),
    **dict.fromkeys(("Black_Hair", "Blond_Hair", "Brown_Hair"), 0.9),
    **dict.fromkeys(("No_Beard", "Attractive", "High_Cheekbones"), 0.75),
    **dict.fromkeys(("Smiling", "Mouth_Slightly_Open", "Blurry", "Wearing_Hat", "Wearing_Necklace"), 0.1),
}


class LabelRows(NamedTuple):
    """Labels of N images, and how clearly each is to be seen."""

    labels_NK: np.ndarray  # bool
    degrees_NK: np.ndarray  # float64 in (-1, 1): positive = present, the size says how clearly; uniform on either side
    identity_N: np.ndarray  # int64, from 1
    split_N: np.ndarray  # int64: 0 train, 1 valid, 2 test; ascending


def apply_rules(margin_NK: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Flips the margins z - t of attributes that may not be present together, or not on a man or a woman.

    Args:
      margin_NK: float; attribute k is present where it is positive.
      names: the K attributes.

    Returns:
      New margins, shape [N, K].
    """
    column = {name: k for k, name in enumerate(names)}
    margin_NK = margin_NK.copy()

    def remove(name: str, where_N: np.ndarray) -> None:
        margin_N = margin_NK[:, column[name]]
        margin_N[where_N] = -np.abs(margin_N[where_N])

    female_N = margin_NK[:, column["Male"]] <= 0
    for name in MEN_ONLY:
        remove(name, female_N)
    for name in WOMEN_ONLY:
        remove(name, ~female_N)
    beard_N = margin_NK[:, column["No_Beard"]]
    beard_N[female_N] = np.abs(beard_N[female_N])
    for name, excluded in EXCLUDES.items():
        for other in excluded:
            remove(other, margin_NK[:, column[name]] > 0)
    for group in ONE_OF:
        largest_N = margin_NK[:, [column[name] for name in group]].max(axis=1)
        for name in group:
            remove(name, margin_NK[:, column[name]] < largest_N)
    return margin_NK


def split_covariance(latent_KK: np.ndarray, permanence_K: np.ndarray, sex: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits a correlation matrix R into what belongs to the identity and what to the image: R = A A' + B B'.

    The sex belongs to the identity alone. Of the others, given the sex, the identity has about diag(p) S diag(p),
    as near as both parts can be covariances: the eigenvalues of S^-1/2 diag(p) S diag(p) S^-1/2 are clipped to [0, 1].

    Args:
      latent_KK: R, positive definite.
      permanence_K: p in [0, 1].
      sex: column of the attribute Male.

    Returns:
      A of shape [K, K + 1], whose first factor is the sex, and B of shape [K, K].
    """
    others = np.delete(np.arange(len(latent_KK)), sex)
    by_sex_K = latent_KK[:, sex]
    given_sex_JJ = latent_KK[np.ix_(others, others)] - np.outer(by_sex_K[others], by_sex_K[others])
    eigenvalue_J, vector_JJ = np.linalg.eigh(given_sex_JJ)
    root_JJ = (vector_JJ * np.sqrt(eigenvalue_J)) @ vector_JJ.T
    inverse_JJ = (vector_JJ / np.sqrt(eigenvalue_J)) @ vector_JJ.T
    scale_J = permanence_K[others]
    share_J, vector_JJ = np.linalg.eigh(inverse_JJ @ (scale_J[:, None] * given_sex_JJ * scale_J) @ inverse_JJ)
    share_J = np.clip(share_J, 0.0, 1.0)

    identity_KF = np.zeros((len(latent_KK), len(latent_KK) + 1))
    identity_KF[:, 0] = by_sex_K
    identity_KF[np.ix_(others, others + 1)] = root_JJ @ (vector_JJ * np.sqrt(share_J))
    image_KK = np.zeros_like(latent_KK)
    image_KK[np.ix_(others, others)] = root_JJ @ (vector_JJ * np.sqrt(1.0 - share_J))
    return identity_KF, image_KK


def _centred(normal_IF: np.ndarray) -> np.ndarray:
    """Gives each column mean 0 and standard deviation 1, so that few identities have the rates of many."""
    return (normal_IF - normal_IF.mean(axis=0)) / normal_IF.std(axis=0)


def _assign_identities(num_images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Gives each image a person, and each person one of the splits: about 80 / 10 / 10%, none empty.

    CelebA has 20 images per identity; a small set has 5, so that there are enough people to learn from.
    """
    assert num_images >= 3, "each split needs an image"
    num_identities = max(num_images // 20, min(num_images // 5, 2000), 3)
    num_held_out = max(round(num_identities / 10), 1)
    everyone = np.arange(num_identities)
    identity_N = np.sort(np.concatenate([everyone, rng.integers(num_identities, size=num_images - num_identities)]))
    split_N = np.searchsorted([num_identities - 2 * num_held_out, num_identities - num_held_out], identity_N, "right")
    for split in range(3):  # images of a person are spread over the split, as in CelebA
        rows = np.flatnonzero(split_N == split)
        identity_N[rows] = rng.permutation(identity_N[rows])
    return identity_N, split_N


def _uniform_degrees(margin_NK: np.ndarray, threshold_K: np.ndarray) -> np.ndarray:
    """Maps margins z - t to (-1, 1), uniformly among the present and among the absent."""
    erf = np.vectorize(math.erf, otypes=[float])
    below_NK = 0.5 + 0.5 * erf((margin_NK + threshold_K) / math.sqrt(2.0))
    at_K = 0.5 + 0.5 * erf(threshold_K / math.sqrt(2.0))
    return (below_NK - at_K) / np.where(margin_NK > 0, 1.0 - at_K, at_K)


def sample_labels(num_images: int, seed: int) -> LabelRows:
    """Samples label rows, people and splits.

    Args:
      num_images: N, at least 3.
      seed: any non-negative integer.
    """
    statistics = read_statistics()
    num_attributes = len(statistics.names)
    sex = statistics.names.index("Male")
    permanence_K = np.array([PERMANENCE.get(name, 0.5) for name in statistics.names])
    identity_KF, image_KK = split_covariance(statistics.latent_correlation_KK, permanence_K, sex)

    rng = np.random.default_rng([seed, 0])
    identity_N, split_N = _assign_identities(num_images, rng)
    person_IF = _centred(rng.standard_normal((identity_N.max() + 1, num_attributes + 1)))
    latent_NK = person_IF[identity_N] @ identity_KF.T + rng.standard_normal((num_images, num_attributes)) @ image_KK.T
    margin_NK = apply_rules(latent_NK - statistics.threshold_K, statistics.names)
    degrees_NK = _uniform_degrees(margin_NK, statistics.threshold_K)
    return LabelRows(margin_NK > 0, degrees_NK, identity_N + 1, split_N)
