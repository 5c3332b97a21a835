"""Peak memory is that of a process of its own."""

import os
from functools import partial

import numpy as np
import pytest
import torch

from mtl.bench import memory
from mtl.bench.timing import Contestant, Step

CPU = torch.device("cpu")
MANY = 64 * 2**20  # bytes


def make_filling(num_bytes: int) -> Step:
    """Steps that fill so many bytes and let them go."""
    return lambda: np.ones(num_bytes, np.uint8).sum()


def make_dying() -> Step:
    os._exit(1)


def threads_and_process() -> tuple[int, int]:
    return torch.get_num_threads(), os.getpid()


def test_what_steps_fill_is_seen() -> None:
    few, many = (memory.of_steps(Contestant(partial(make_filling, number)), CPU) for number in (1, MANY))
    assert few is not None
    assert many is not None
    assert many.added - few.added == pytest.approx(MANY, rel=0.1)


def test_a_process_that_dies_has_no_peak() -> None:
    assert memory.of_steps(Contestant(make_dying), CPU) is None


def test_a_process_computes_with_as_many_threads() -> None:
    num_threads, process = memory.apart(threads_and_process)
    assert num_threads == torch.get_num_threads()
    assert process != os.getpid()
