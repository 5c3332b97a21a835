"""Runs of a study that is never trained, and a way to train tiny ones in other processes."""

import os
import signal
from functools import cache
from pathlib import Path
from typing import Any

from configs.default import get_config
from mtl.config import of_run, read_run
from mtl.study import train_run
from mtl.training import loop
from mtl.training.settings import RunSettings
from tests import tiny  # a process that imports this module knows the tiny network

assert tiny.TASKS


def make_runs(methods: tuple[str, ...], seeds: tuple[int, ...]) -> list[RunSettings]:
    """Those of each seed in the order of `methods`."""
    return [_read(method, seed) for seed in seeds for method in methods]


@cache
def _read(method: str, seed: int) -> RunSettings:
    return read_run(of_run(get_config(), method, seed))


def train(run: RunSettings, workdir: Path) -> dict[str, Any]:
    return train_run(run, workdir)


def die_once(run: RunSettings, workdir: Path) -> dict[str, Any]:
    """Trains a run; with DST, the first process that comes to the second epoch's end is killed there."""
    died, close_epoch = workdir / f"died_{run.name}", loop.close_epoch

    def deadly(now: Any, state: Any, sums: Any, at: Any) -> Any:
        if at.epoch == 2 and now.settings.name == "dst" and not died.exists():
            died.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return close_epoch(now, state, sums, at)

    loop.close_epoch = deadly
    try:
        return train_run(run, workdir)
    finally:
        loop.close_epoch = close_epoch
