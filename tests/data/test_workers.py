"""Work in other processes: it ends with its parent, and with a user's mistake."""

import multiprocessing
import time

import pytest

from mtl.data import workers
from mtl.data.pack import _check_options
from mtl.errors import UserError


def test_a_process_sends_a_users_mistake_to_its_parent() -> None:
    ours, theirs = multiprocessing.Pipe()
    ours.send((_check_options, [(8, "full", "fail"), (0, "full", "fail"), (8, "full", "fail")]))
    workers._work(theirs)
    assert workers._result(ours.recv()) is None
    with pytest.raises(UserError, match=r"data.image_size is 0"):
        workers._result(ours.recv())
    assert not ours.poll(), "it went on after the mistake"


def test_processes_end_as_soon_as_the_block_is_left() -> None:
    began = time.monotonic()
    with workers.in_processes(time.sleep, [(60,), (60,)], 2):
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []
    assert time.monotonic() - began < 30


def test_says_that_a_process_was_killed() -> None:
    with pytest.raises(UserError, match="was killed"), workers.in_processes(abs, [(1,), (2,)], 2) as results:
        for worker in multiprocessing.active_children():
            worker.kill()
        next(results)
    assert multiprocessing.active_children() == []
