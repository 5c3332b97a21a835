"""How often CelebA's attributes occur, and which occur together: aggregates that the project comes with."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.record.files import read_json

FILE = Path(__file__).with_suffix(".json")


class Statistics(NamedTuple):
    """Aggregates of CelebA's 202,599 label rows, and the copula that was fitted to them."""

    names: tuple[str, ...]
    positive_rate_K: np.ndarray
    correlation_KK: np.ndarray  # of the 0/1 labels
    threshold_K: np.ndarray
    latent_correlation_KK: np.ndarray  # of z, positive definite


def read_statistics() -> Statistics:
    """Reads the project's table of CelebA's aggregates."""
    table = read_json(FILE)
    return Statistics(
        tuple(table["names"]),
        np.array(table["positive_rate"]),
        _symmetric(table["correlation_below_diagonal"]),
        np.array(table["threshold"]),
        _symmetric(table["latent_correlation_below_diagonal"]),
    )


def _symmetric(rows: list[list[float]]) -> np.ndarray:
    """Correlation matrix from its rows below the diagonal: row k has k numbers."""
    size = len(rows)
    lower_KK = np.zeros((size, size))
    lower_KK[np.tril_indices(size, -1)] = [number for row in rows for number in row]
    return lower_KK + lower_KK.T + np.eye(size)
