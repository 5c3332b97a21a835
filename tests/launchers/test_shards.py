"""Shards: together all runs, each once, and none waits for another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl.errors import UserError
from mtl.launchers.shards import Shard, in_shard, parse_shard
from mtl.training.settings import needed_run
from tests.launchers.runs import make_runs

METHODS = ("joint", "dst", "upgrad", "random_drop")


@given(st.permutations(METHODS), st.integers(1, 4), st.integers(1, 4), st.integers(1, 20))
def test_shards_are_a_partition(methods: list[str], num_methods: int, num_seeds: int, num_shards: int) -> None:
    runs = make_runs(tuple(methods[:num_methods]), tuple(range(num_seeds)))
    shards = [in_shard(runs, Shard(number, num_shards)) for number in range(1, num_shards + 1)]
    names = [[(run.name, run.seed) for run in shard] for shard in shards]
    whole = [(run.name, run.seed) for run in runs]
    assert sorted(name for of_shard in names for name in of_shard) == sorted(whole)
    for shard, of_shard in zip(shards, names, strict=True):
        assert of_shard == [name for name in whole if name in of_shard], "in order"
        needed = [needed_run(run) for run in shard]
        assert all(name in of_shard for name in needed if name in whole)
    lengths = [len(shard) for shard in shards]
    assert max(lengths) - min(lengths) <= 2  # the longest chain: dst and random_drop


def test_shards_by_hand() -> None:
    runs = make_runs(("joint", "dst", "random_drop"), (0, 1))
    shards = [[f"{run.name}{run.seed}" for run in in_shard(runs, Shard(number, 3))] for number in (1, 2, 3)]
    assert shards == [["dst0", "random_drop0"], ["dst1", "random_drop1"], ["joint0", "joint1"]]


@pytest.mark.parametrize("text", ["0/8", "9/8", "1", "1/0", "a/b", "1/2/3", "-1/8", "1/8 "])
def test_no_shard(text: str) -> None:
    with pytest.raises(UserError, match=f"shard is '{text}', which is none"):
        parse_shard(text)
