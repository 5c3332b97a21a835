"""Contestants take turns, and ratios are of neighbours."""

import numpy as np
import pytest
import torch

from mtl.bench.settings import Effort
from mtl.bench.timing import Contestant, Timed, quartiles, ratio, take_turns

CPU = torch.device("cpu")


def test_the_yardstick_takes_a_step_before_each_turn() -> None:
    taken: list[str] = []

    def contestant(name: str, num_steps: int = 1) -> Contestant:
        return Contestant(lambda: lambda: taken.append(name), num_steps)

    contestants = {"loop": contestant("loop"), "ours": contestant("ours"), "tenth": contestant("tenth", 3)}
    found = take_turns(contestants, "loop", CPU, Effort(num_warmup=2, min_rounds=2))
    warmup = ["loop"] * 2 + ["ours"] * 2 + ["tenth"] * 2
    one_round = ["loop", "loop", "loop", "ours", "loop", "tenth", "tenth", "tenth"]
    assert taken == warmup + 2 * one_round
    assert all(len(timed.seconds_R) == len(timed.yardstick_R) == 2 for timed in found.values())


def test_rounds_begin_until_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000))  # a second passes with every look at it
    monkeypatch.setattr("mtl.bench.timing.time.perf_counter", lambda: float(next(clock)))
    found = take_turns({"a": Contestant(lambda: list, 2)}, "a", CPU, Effort(num_warmup=3, min_rounds=1, seconds=30.0))
    assert found["a"].seconds_R.tolist() == [1.0] * 5  # a round takes 7 looks: 2 for each of 3 steps, and 1 for the end
    assert found["a"].warmup_seconds == 3.0
    assert found["a"].build_seconds == 1.0


def test_ratios_are_of_neighbours() -> None:
    """A machine that is ten times slower in the second round changes no ratio, in either way to pair."""
    slow_R = np.array([1.0, 10.0, 1.0])
    found = {"a": Timed(3.0 * slow_R, 1.0 * slow_R, 0.0, 0.0), "b": Timed(2.0 * slow_R, 4.0 * slow_R, 0.0, 0.0)}
    assert ratio(found, "a", "loop", yardstick="loop") == quartiles(np.full(3, 3.0))
    assert ratio(found, "b", "loop", yardstick="loop") == quartiles(np.full(3, 0.5))
    assert ratio(found, "a", "b", yardstick="loop") == quartiles(np.full(3, 1.5))
