"""Which attributes to learn: the figures of each on the data at hand, a ranking, and a choice by stated criteria.

Left out are attributes whose labels were found faulty, that are a judgement rather than something seen, or that a
published network predicts hardly better than a guess. The others are worth `H(p_k)`, the entropy of their rate in
bits: what nearly all or nearly no images have teaches little. Their worth shrinks with redundancy, `|phi|`, the
correlation of two attributes: what another task predicts adds little.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from mtl.data.published import FAULTS, difficulty, gain, region
from mtl.data.table import SPLITS, Table

LEAST_GAIN = 0.05


class AttributeRow(NamedTuple):
    """The figures of one attribute on the data at hand."""

    name: str
    rank: int  # 1 has the best score
    score: float  # H(p) * (1 - largest |phi|), 0 if left out
    positive_rate: float  # of the training split's known labels
    majority_accuracy: float  # on the test split, of always guessing the training split's more frequent value
    correlation: float  # phi with the attribute below, training split
    correlated_with: str  # the other attribute of the largest |phi|


def worth(names: Sequence[str], rates: np.ndarray) -> np.ndarray:
    """The entropy H(p) of each rate in bits, 0 for the attributes that are left out: [K] float64.

    Example:
      >>> worth(["Smiling", "Attractive"], np.array([0.5, 0.5]))  # Attractive is a judgement
      array([1., 0.])
    """
    present = np.clip(rates, 1e-12, 1 - 1e-12)
    entropy = -present * np.log2(present) - (1 - present) * np.log2(1 - present)
    is_out = [name in FAULTS or gain(name) < LEAST_GAIN for name in names]
    return np.where(is_out, 0.0, entropy)


def positive_rates(table: Table, split: str) -> np.ndarray:
    """The share of positives among the known labels of a split; 0 where none is known: [K] float64.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels, known = np.array([[True], [False], [True]]), np.array([[True], [True], [False]])
      >>> split, nobody = np.zeros(3, np.int8), np.full(3, -1)
      >>> names, kinds = ("Male",), (BINARY,)
      >>> table = Table(np.array(["1", "2", "3"]), ImageSource(None, ""), labels, known, split, nobody, names, kinds)
      >>> positive_rates(table, "train")  # one of the two that are known
      array([0.5])
    """
    rows = table.split == SPLITS.index(split)
    return (table.labels & table.mask)[rows].sum(axis=0) / np.maximum(table.mask[rows].sum(axis=0), 1)


def correlations(table: Table) -> np.ndarray:
    """Phi of every two attributes over the training images that have both labels, 0 if one is constant: [K, K].

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels = np.array([[True, False], [False, True], [True, False]])
      >>> split, nobody = np.zeros(3, np.int8), np.full(3, -1)
      >>> ids, names = np.array(["1", "2", "3"]), ("Male", "Wearing_Lipstick")
      >>> table = Table(ids, ImageSource(None, ""), labels, labels < 2, split, nobody, names, (BINARY,) * 2)
      >>> correlations(table).round(4)
      array([[ 1., -1.],
             [-1.,  1.]])
    """
    rows = table.split == SPLITS.index("train")
    known = table.mask[rows].astype(np.float64)
    present = table.labels[rows] * known
    num_both = known.T @ known
    num_present = present.T @ known  # [i, j]: images with attribute i whose label j is known
    covariance = num_both * (present.T @ present) - num_present * num_present.T
    variance = num_present * (num_both - num_present)  # of i, over the images that count for (i, j)
    scale = np.sqrt(variance * variance.T)
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)


def choose(table: Table, num_tasks: int = 8) -> tuple[str, ...]:
    """Chooses attributes by the criteria, from the training split of the data at hand; see `choose_by`.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels = np.array([[True, False], [False, True], [True, False]])
      >>> split, nobody = np.zeros(3, np.int8), np.full(3, -1)
      >>> ids, names = np.array(["1", "2", "3"]), ("Male", "Attractive")
      >>> table = Table(ids, ImageSource(None, ""), labels, labels < 2, split, nobody, names, (BINARY,) * 2)
      >>> choose(table)  # no judgement
      ('Male',)
    """
    return choose_by(table.attributes, positive_rates(table, "train"), correlations(table), num_tasks)


def choose_by(names: Sequence[str], rates: np.ndarray, phi: np.ndarray, num_tasks: int) -> tuple[str, ...]:
    """Chooses attributes one after another, each time the one of the largest

      H(p_k) * (1 - max_j |phi_kj|) / (1 + n_k)

    where j runs over the attributes chosen so far and n_k counts those in the region of k. Neither easy nor medium nor
    hard ones make up more than a third, rounded up.

    Args:
      names: K attributes.
      rates: [K] float, their positive rates.
      phi: [K, K] float, their correlations.
      num_tasks: how many to choose; fewer if there are not so many that may be chosen.

    Returns:
      The chosen names, in the order of the choice.

    Example:
      >>> names, rates = ["Smiling", "Male", "Young"], np.array([0.5, 0.4, 0.2])
      >>> choose_by(names, rates, np.eye(3), num_tasks=2)
      ('Smiling', 'Young')
    """
    worths = worth(names, rates)
    chosen: list[int] = []
    while len(chosen) < num_tasks:
        num_in_region = Counter(region(names[k]) for k in chosen)
        num_as_hard = Counter(difficulty(names[k]) for k in chosen)
        values = {
            k: worths[k] * (1 - np.abs(phi[k, chosen]).max(initial=0)) / (1 + num_in_region[region(names[k])])
            for k in range(len(names))
            if k not in chosen and worths[k] > 0 and num_as_hard[difficulty(names[k])] < ceil(num_tasks / 3)
        }
        if not values:
            break
        chosen.append(max(values, key=values.__getitem__))
    return tuple(names[k] for k in chosen)


def rank_attributes(table: Table) -> list[AttributeRow]:
    """The figures of every attribute on the data at hand, best score first.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels, known = np.array([[True, True], [False, False], [True, False]]), np.ones((3, 2), bool)
      >>> ids, split, nobody = np.array(["1", "2", "3"]), np.array([0, 0, 2], np.int8), np.full(3, -1)
      >>> table = Table(ids, ImageSource(None, ""), labels, known, split, nobody, ("Male", "Young"), (BINARY,) * 2)
      >>> first, _ = rank_attributes(table)
      >>> first.rank, first.name, first.correlated_with, first.majority_accuracy
      (1, 'Male', 'Young', 0.0)
    """
    rates, test_rates = positive_rates(table, "train"), positive_rates(table, "test")
    majority = np.where(rates > 0.5, test_rates, 1 - test_rates)
    phi = correlations(table)
    others = np.abs(phi) - 2 * np.eye(len(phi))  # an attribute is not its own partner
    partners = others.argmax(axis=1)
    scores = worth(table.attributes, rates) * (1 - np.clip(others.max(axis=1), 0, 1))
    return [
        AttributeRow(
            name=table.attributes[k],
            rank=rank,
            score=float(scores[k]),
            positive_rate=float(rates[k]),
            majority_accuracy=float(majority[k]),
            correlation=float(phi[k, partners[k]]),
            correlated_with=table.attributes[partners[k]],
        )
        for rank, k in enumerate(np.argsort(-scores, kind="stable"), 1)
    ]


def attributes_table(table: Table, chosen: Sequence[str]) -> str:
    """The figures of every attribute as a Markdown table, best score first, with the chosen ones marked.

    Args:
      table: the data at hand, with all attributes that are to be ranked.
      chosen: the attributes that the configuration names.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> labels, known = np.array([[True, True], [False, False], [True, False]]), np.ones((3, 2), bool)
      >>> ids, split, nobody = np.array(["1", "2", "3"]), np.array([0, 0, 2], np.int8), np.full(3, -1)
      >>> table = Table(ids, ImageSource(None, ""), labels, known, split, nobody, ("Male", "Young"), (BINARY,) * 2)
      >>> attributes_table(table, ["Male"]).splitlines()[2]
      '| 1 | Male | yes | 0.000 | 50.0% | 0.0% | +0.95 | whole face | +1.00 Young |  |'
    """
    lines = [
        "| rank | attribute | chosen | score | positive | majority | gain | region | strongest phi | faults |",
        "|---:|---|:---:|---:|---:|---:|---:|---|---|---|",
    ]
    for row in rank_attributes(table):
        lines.append(
            f"| {row.rank} | {row.name} | {'yes' if row.name in chosen else ''} | {row.score:.3f} "
            f"| {row.positive_rate:.1%} | {row.majority_accuracy:.1%} | {gain(row.name):+.2f} | {region(row.name)} "
            f"| {row.correlation:+.2f} {row.correlated_with} | {FAULTS.get(row.name, '')} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            "score: H(positive) * (1 - |strongest phi|); 0 for attributes with known faults and gains below "
            f"{LEAST_GAIN}. positive, phi: training split. majority: test accuracy of guessing the training majority.",
            "gain: what LNets+ANet won over the majority on CelebA's test split, 1 being perfect (Liu et al. 2015).",
            "faults: Wu et al. 2023, arXiv 2210.07356, which found 12 of 40 attributes agreed on by two annotators.",
            f"The criteria choose from this data: {', '.join(choose(table, len(chosen)))}.",
        ]
    )
