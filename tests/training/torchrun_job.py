"""What tests/training/test_distributed.py lets two processes do: some runs, in the first of which one is killed.

Both, in both of their lives, are forks of one that has imported all and computed nothing.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ml_collections import ConfigDict
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mtl.config import read_run, single_run
from mtl.errors import UserError
from mtl.launchers.torchrun import together
from mtl.models.architectures import ARCHITECTURES, Architecture
from mtl.models.stages import Stage
from mtl.training import distributed, loop
from mtl.world import World
from tests.tiny import tiny_config

NUM_STEPS = 4  # of an epoch
KILLED_AT = 6
WEIGHTS = "trunk.pt"  # a file beside the cache


class PlainNet(nn.Module):
    """Without BatchNorm, and with noise."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Dropout(0.2))
        self.stage2 = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Dropout2d(0.2))
        self.fc = nn.Linear(6, 1000)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.fc(self.stage2(self.stage1(images_BCHW)).mean(dim=(2, 3)))


def build(weights: None) -> nn.Module:
    return PlainNet()


ARCHITECTURES["plain"] = Architecture(build, {"stage1": Stage("stage1.2", 1), "stage2": Stage("stage2.2", 2)})

AT_PARAMETERS = {"gradients": {"level": "parameters"}}
PLAIN = {"model": {"backbone": "plain"}}
KILLED, BEGUN_ALONE, FINE_TUNED = "dst_killed", "moco_begun_alone", "fine_tuned"
SAME: dict[str, dict[str, Any]] = {
    KILLED: {"method": "dst", "dst": {"period": "step", "weights": {"depth": 0.1, "signal": 0.1}}},
    BEGUN_ALONE: {"method": "moco"},
    "joint_": {"method": "joint"},
    "gramian_at_features": {"method": "upgrad"},
    "gramian_at_parameters": {"method": "upgrad", **AT_PARAMETERS},
    "gramian_now_and_then": {"method": "mgda", "gradients": {"level": "parameters", "every": 2, "fraction": 0.5}},
    "without_batchnorm": {"method": "joint", **PLAIN},
    "single": {"method": "single_task"},
    "halves_at_features": {"method": "modo", **PLAIN},
    "halves_at_parameters": {"method": "modo", **AT_PARAMETERS},
    "gradients_at_features": {"method": "graddrop", **PLAIN},
    FINE_TUNED: {"method": "upgrad", "train": {"freeze": ("stage1",), "learning_rates": ("heads=3",)}},
    "heads_alone": {"method": "joint", "train": {"freeze": ("trunk",)}},
}
OTHER: dict[str, dict[str, Any]] = {"not_synchronized": {"method": "joint", "train": {"sync_batchnorm": False}}}
NUM_EPOCHS = {KILLED: 3, BEGUN_ALONE: 2}  # of the others 1; in 12 steps DST drops a task


def make_config(root: Path, cache: Path, name: str) -> ConfigDict:
    """Labels missing here and there, tasks that leave the trunk at two places."""
    config = tiny_config(root, cache)
    config.variant, config.study.variants = name, ConfigDict({**SAME, **OTHER})
    config.data.label_fractions, config.model.taps = ("a=0.6",), ("b=stage1",)
    config.train.batch_size, config.train.epochs, config.train.log_every = 8, NUM_EPOCHS.get(name, 1), 1
    config.train.sync_batchnorm, config.train.checkpoint_seconds = True, 0.0 if name in NUM_EPOCHS else 60.0
    config.dst.probe_images = 16
    config.model.weights = str(cache.parent / WEIGHTS) if name == FINE_TUNED else ""
    return single_run(config)


def dying(prepare: Callable[..., Any], number: int, die: Callable[[], None]) -> Callable[..., Any]:
    """`loop.prepare` of a run that dies in its n-th step."""
    calls = 0

    def prepare_to_die(*args: Any) -> Any:
        run, state = prepare(*args)

        (only,) = run.steps.train.values()

        def step(*step_args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                die()
            return only(*step_args)

        return run._replace(steps=run.steps._replace(train=dict.fromkeys(run.steps.train, step))), state

    return prepare_to_die


def keeping(fit: Callable[..., Any], folder: Path, rank: str) -> Callable[..., Any]:
    """`loop._fit` that keeps each process's last state."""

    def fit_and_keep(settings: Any, *rest: Any) -> Any:
        state, results = fit(settings, *rest)
        torch.save(tree_leaves(state), folder / f"{settings.name}_{rank}.pt")
        return state, results

    return fit_and_keep


def live(root: Path, cache: Path, folder: Path, rank: str, life: int) -> None:
    """A process's first or second life, as torchrun would begin it."""
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RESTART_COUNT": str(life)}
    if life == 0 and rank == "1":
        loop.prepare = dying(loop.prepare, KILLED_AT, lambda: os.kill(os.getpid(), signal.SIGKILL))
    loop._fit = keeping(loop._fit, folder, rank)

    def job(world: World) -> None:
        if life == 1:
            shutil.copytree(folder / "runs" / KILLED, folder / "copies" / KILLED)
        for name in (*SAME, *OTHER):
            loop.fit(read_run(make_config(root, cache, name)), folder / "runs", world)

    together(job, folder / "runs", "cpu")


def fork(function: Callable[[], None]) -> int:
    """Calls it in a new process; gives that process's id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        except UserError as error:
            print(error, flush=True)
            code = 2
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return child


def wait(child: int) -> int:
    """A process's exit code, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def both_lives(root: Path, cache: Path, folder: Path, rank: str) -> None:
    log = os.open(folder / f"log_{rank}", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    ended = wait(fork(lambda: live(root, cache, folder, rank, life=0)))
    assert ended == (2 if rank == "0" else -signal.SIGKILL), f"the first life ended with {ended}"
    live(root, cache, folder, rank, life=1)


def main(root: Path, cache: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.TIMEOUT = timedelta(minutes=5)
    ended = [wait(child) for child in [fork(partial(both_lives, root, cache, folder, rank)) for rank in "01"]]
    assert ended == [0, 0], f"the processes ended with {ended}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
