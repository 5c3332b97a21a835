"""Folds of people: each image is tested once, and nobody is in two splits of a run."""

import re

import numpy as np

from mtl.data.table import SPLITS, Table
from mtl.errors import UserError
from mtl.statistics.bootstrap import clusters
from mtl.streams import Stream, generator

PARTS = 2  # of a fold: the next fold's first part is what a run validates on


def take_fold(table: Table, fold: str) -> Table:
    """Another split of the same images: a fold is tested, half a fold validated on, the others trained on.

    People are dealt to 2k groups of about as many images, the same for all runs: those with most images first, each to
    the group that has fewest. Fold i of k tests on the groups 2i and 2i + 1 and validates on the next, so that with
    k = 5 a run trains on 70%, validates on 10% and tests on 20%. An image of unknown identity is a person by itself.

    Args:
      table: of all images.
      fold: "i/k", i from 0 up; "" leaves the table as it is.

    Raises:
      UserError: for a fold that is none, or fewer people than groups.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> known, who, split = np.ones((6, 1), bool), np.arange(6), np.zeros(6, np.int8)
      >>> table = Table(np.arange(6).astype(str), ImageSource(None, ""), known, known, split, who, ("Male",), (BINARY,))
      >>> [np.bincount(take_fold(table, f"{i}/3").split).tolist() for i in range(3)]
      [[3, 1, 2], [3, 1, 2], [3, 1, 2]]
      >>> tested = np.stack([take_fold(table, f"{i}/3").split == 2 for i in range(3)])
      >>> tested.sum(axis=0).tolist()  # each image once
      [1, 1, 1, 1, 1, 1]
    """
    if not fold:
        return table
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", fold)
    number, num_folds = (int(match[1]), int(match[2])) if match else (0, 0)
    if not number < num_folds or num_folds < 3:
        raise UserError(f"fold is {fold!r}; write i/k with i from 0 to k - 1 and k at least 3, as in 0/5", "fold")
    group_N = _deal(clusters(table.identity), PARTS * num_folds)
    split = np.full(len(group_N), SPLITS.index("train"), np.int8)
    split[group_N // PARTS == number] = SPLITS.index("test")
    split[group_N == PARTS * (number + 1) % (PARTS * num_folds)] = SPLITS.index("valid")
    return table._replace(split=split)


def _deal(person_N: np.ndarray, num_groups: int) -> np.ndarray:
    """The group of each image."""
    num_images_C = np.bincount(person_N)
    if len(num_images_C) < num_groups:
        raise UserError(f"{len(num_images_C)} people cannot be dealt to {num_groups} groups: have fewer folds", "fold")
    order = generator(Stream.FOLDS).permutation(len(num_images_C))
    order = order[np.argsort(-num_images_C[order], kind="stable")]
    group_C, filled = np.zeros(len(num_images_C), np.int64), np.zeros(num_groups, np.int64)
    for person in order:
        group_C[person] = filled.argmin()
        filled[group_C[person]] += num_images_C[person]
    return group_C[person_N]
