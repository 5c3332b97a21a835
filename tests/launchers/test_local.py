"""Runs in processes of their own: the same bits, and one sentence when a process is killed."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from mtl.config import read_study
from mtl.errors import UserError
from mtl.launchers.local import at_once, in_turn
from mtl.launchers.queue import train_all
from mtl.record.paths import run_folder
from tests.launchers.runs import die_once, train
from tests.same import assert_same_run


def test_a_process_killed_in_mid_run_and_then_the_same_bits(config: ConfigDict, tmp_path: Path) -> None:
    """A run ends in another process, the next is killed there: one sentence; then all end here, as if nothing was."""
    config.train.epochs, config.train.checkpoint_seconds = 2, 0.0
    config.study.methods, config.study.seeds = ("joint", "dst"), (0,)
    runs, there, here = read_study(config).runs, tmp_path / "there", tmp_path / "here"
    there.mkdir()
    with (
        pytest.raises(UserError, match=r"^the process that trained dst \(seed 0\) has ended: it was killed"),
        at_once(partial(die_once, workdir=there), 1) as crew,
    ):
        results = train_all(runs, crew, waits=True)
        assert next(results)["method"] == "joint"
        next(results)
    assert (there / "joint" / "seed_0" / "results.json").is_file()
    assert not (there / "dst" / "seed_0" / "results.json").exists()
    for folder in (there, here):
        list(train_all(runs, in_turn(partial(train, workdir=folder)), waits=True))
    for run in runs:
        assert_same_run(run_folder(here, run.name, 0), run_folder(there, run.name, 0))


PARENT = """
import multiprocessing, os, time
def sleep(run):
    print(os.getpid(), flush=True)
    time.sleep(600)
def work(connection):
    from mtl.launchers.local import _work
    _work(connection, sleep, 1)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=work, args=(theirs,)).start()
    ours.send("a run")
    ours.recv()
"""


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    """In mid-run; the parent is killed, so it can tell nobody."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        assert parent.stdout.read() == "", "read until the last process with this pipe has ended"
