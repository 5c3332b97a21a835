"""A split is drawn with as many of each class as the shares allow, and no group in two of them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl.data.tables.cells import Column
from mtl.data.tables.split import SHARES, draw_split, number_groups
from mtl.kinds import Kind

ALONE, NONE = -1, -1


def draw(columns: list[Column], group_N: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    num_images = len(columns[0].values_N)
    group_N = np.full(num_images, ALONE) if group_N is None else group_N
    return draw_split(np.full(num_images, NONE), group_N, columns, seed)


def make_columns(num_images: int, seed: int = 0) -> list[Column]:
    generator = np.random.default_rng(seed)
    rare = (generator.random(num_images) < 0.05).astype(float)
    classes = generator.choice(4, num_images, p=(0.6, 0.25, 0.1, 0.05)).astype(float)
    amount = generator.lognormal(size=num_images)
    amount[generator.random(num_images) < 0.3] = np.nan
    return [
        Column("rare", Kind("binary"), rare),
        Column("classes", Kind("classes", ("a", "b", "c", "d")), classes),
        Column("amount", Kind("regression"), amount),
    ]


def test_each_class_has_its_shares() -> None:
    columns = make_columns(2000)
    split_N = draw(columns)
    for column in columns[:2]:
        for value in {*column.values_N}:
            rows = column.values_N == value
            shares = np.bincount(split_N[rows], minlength=3) / rows.sum()
            assert np.abs(shares - SHARES).max() <= 1.5 / rows.sum() + 0.005, (column.name, value)
    known = ~np.isnan(columns[2].values_N)
    medians = [np.median(columns[2].values_N[known & (split_N == split)]) for split in range(3)]
    assert max(medians) / min(medians) < 1.15


def test_the_seed_says_which() -> None:
    columns = make_columns(300)
    first, again, other = draw(columns), draw(columns), draw(columns, seed=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert [*np.bincount(first)] == [*np.bincount(other)]


@settings(max_examples=20, deadline=None)
@given(st.integers(30, 120), st.integers(1, 6), st.integers(0, 9))
def test_no_group_is_in_two_splits(num_groups: int, largest: int, seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(1, largest + 1, num_groups)
    group_N = np.repeat(np.arange(num_groups), sizes)
    split_N = draw(make_columns(len(group_N), seed), group_N, seed)
    assert all(len({*split_N[group_N == group]}) == 1 for group in range(num_groups))
    shares = np.bincount(split_N, minlength=3) / len(split_N)
    assert np.abs(shares - SHARES).max() < 0.1
    assert (shares > 0).all()


def test_what_is_told_stays() -> None:
    told_N = np.where(np.arange(100) < 80, NONE, 2)
    split_N = draw_split(told_N, np.full(100, ALONE), make_columns(100), seed=0)
    assert (split_N[80:] == 2).all()
    assert Counter(split_N[:80].tolist()) == pytest.approx({0: 71, 1: 9}, abs=2)


def test_groups_have_numbers() -> None:
    assert number_groups(["b", "a", "", "b"]).tolist() == [0, 1, -1, 0]
    assert number_groups(["2820", "7", "2820"]).tolist() == [2820, 7, 2820]
    assert number_groups(["007", "7"]).tolist() == [0, 1]  # names, not numbers: they differ
