"""Runs of a study that is never trained, and a way to train tiny ones in other processes."""

import os
import signal
from pathlib import Path
from typing import Any

from configs.default import get_config
from mtl.config import read_study
from mtl.study import train_run
from mtl.training import loop
from mtl.training.settings import RunSettings
from tests import tiny  # a process that imports this module knows the tiny network

assert tiny.TASKS


def make_runs(methods: tuple[str, ...], seeds: tuple[int, ...]) -> list[RunSettings]:
    """Those of each seed in the order of `methods`."""
    config = get_config()
    config.study.methods, config.study.seeds = methods, seeds
    runs = {(run.name, run.seed): run for run in read_study(config).runs}
    return [runs[method, seed] for seed in seeds for method in methods]


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
