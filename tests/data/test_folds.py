"""Folds: each image is tested once, nobody is in two splits, and the groups are about as large."""

from pathlib import Path

import numpy as np
import pytest

from mtl.data.folds import take_fold
from mtl.data.image_files import ImageSource
from mtl.data.table import SPLITS, Table
from mtl.errors import UserError
from mtl.kinds import BINARY


def table_of(identity_N: np.ndarray) -> Table:
    known, split = np.ones((len(identity_N), 1), bool), np.zeros(len(identity_N), np.int8)
    return Table(
        np.arange(len(identity_N)).astype(str),
        ImageSource(Path(), ""),
        known,
        known,
        split,
        identity_N,
        ("a",),
        (BINARY,),
    )


@pytest.mark.parametrize("num_folds", [3, 5, 10])
def test_each_image_is_tested_once_and_nobody_is_in_two_splits(num_folds: int) -> None:
    generator = np.random.default_rng(num_folds)
    table = table_of(generator.integers(-1, 400, 1500))
    splits = [take_fold(table, f"{number}/{num_folds}").split for number in range(num_folds)]
    for name, groups in (("test", 2), ("valid", 1)):
        shares = [(split == SPLITS.index(name)).mean() for split in splits]
        assert shares == pytest.approx([groups / (2 * num_folds)] * num_folds, abs=0.01)
    assert (sum((split == SPLITS.index("test")).astype(int) for split in splits) == 1).all()
    for split in splits:
        who = [set(table.identity[(split == index) & (table.identity >= 0)]) for index in range(3)]
        assert not (who[0] & who[1] or who[0] & who[2] or who[1] & who[2])


@pytest.mark.parametrize("fold", ["5/5", "0/2", "a", "1", "-1/5"])
def test_folds_that_are_none(fold: str) -> None:
    with pytest.raises(UserError, match="as in 0/5"):
        take_fold(table_of(np.arange(50)), fold)


def test_too_few_people() -> None:
    with pytest.raises(UserError, match="7 people cannot be dealt to 10 groups"):
        take_fold(table_of(np.arange(50) % 7), "0/5")
