"""Two processes against one: the same run, to rounding, whatever a method looks at and whoever is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist

from mtl.config import read_run
from mtl.config.train import read_train
from mtl.errors import UserError
from mtl.methods.equal import equal
from mtl.record.paths import run_folder
from mtl.training import loop
from mtl.training.distributed import check
from mtl.world import ALONE
from tests.same import read_lines
from tests.tiny import TinyNet
from tests.training import torchrun_job
from tests.training.torchrun_job import BEGUN_ALONE, KILLED, NUM_EPOCHS, NUM_STEPS, OTHER, SAME, make_config

ROOT = Path(__file__).parents[2]
SECONDS = 900  # after that long, the processes hang


class Killed(Exception):
    """Stands for the death of the process."""


class Folders(NamedTuple):
    """Where runs of one process are, and those of two."""

    alone: Path
    together: Path


def die() -> None:
    raise Killed


@pytest.fixture(scope="module")
def folders(celeba_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    """Two processes and this one train the same runs at the same time."""
    cache = celeba_files.parent / "cache"
    torch.save(TinyNet().state_dict(), cache.parent / torchrun_job.WEIGHTS)
    folders = Folders(tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "prepare", torchrun_job.dying(loop.prepare, torchrun_job.KILLED_AT, die))
        loop.fit(read_run(make_config(celeba_files, cache, BEGUN_ALONE)), folders.together / "runs")
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun has one, for all lives
    job = [str(path) for path in (torchrun_job.__file__, celeba_files, cache, folders.together)]
    process = subprocess.Popen([sys.executable, *job], env=os.environ | as_torchrun(store.port), start_new_session=True)
    try:
        for name in SAME:
            loop.fit(read_run(make_config(celeba_files, cache, name)), folders.alone)
        process.wait(SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, [path.read_text() for path in sorted(folders.together.glob("log_*"))]
    yield folders


def as_torchrun(port: int) -> dict[str, str]:
    """The environment in which `torchrun --nproc-per-node=2` starts its processes, but for their ranks."""
    return {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": str(ROOT),
    }


def assert_close(one: Any, two: Any) -> None:
    """The same in all that does not tell the time, to 1e-5 of what is larger than 1, and to 1e-5 else."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one.keys() - {"seconds", "train_seconds", "images_per_second", "device"}:
            assert_close(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert_close(a, b)
    elif isinstance(one, float):
        assert two == pytest.approx(one, rel=1e-5, abs=1e-5)
    else:
        assert one == two


def assert_same(one: Path, two: Path) -> None:
    """Two runs' logs, results and predictions."""
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    for name in ("metrics.jsonl", "dst.jsonl"):
        if (one / name).is_file():
            assert_close(read_lines(one / name), read_lines(two / name))
    assert_close(*(json.loads((run / "results.json").read_text()) for run in (one, two)))
    first, second = (np.load(run / "predictions.npz") for run in (one, two))
    assert np.array_equal(first["ids"], second["ids"])
    assert np.abs(first["logits"] - second["logits"]).max() < 1e-5 * max(1.0, np.abs(first["logits"]).max())


@pytest.mark.parametrize("name", [*SAME])
def test_two_processes_are_as_one(folders: Folders, name: str) -> None:
    one, two = (run_folder(folder, name, 0) for folder in (folders.alone, folders.together / "runs"))
    steps = [line for line in read_lines(two / "metrics.jsonl") if line["kind"] == "step"]
    assert len(steps) == NUM_STEPS * NUM_EPOCHS.get(name, 1)
    assert_same(one, two)
    assert json.loads((two / "results.json").read_text())["device"].endswith(", 2 processes")


def test_tasks_were_dropped_in_between(folders: Folders) -> None:
    lines = read_lines(run_folder(folders.together / "runs", KILLED, 0) / "metrics.jsonl")
    weights = [weight for line in lines if line["kind"] == "step" for weight in line["weights"].values()]
    assert 0.0 in weights and 1.0 in weights


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_all_processes_end_with_the_same_bits(folders: Folders, name: str) -> None:
    """BatchNorm's averages included, which are the first process's where they are not synchronised."""
    first, second = (torch.load(folders.together / f"{name}_{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_one_process_goes_on_where_two_were_killed(folders: Folders, celeba_files: Path) -> None:
    copies = folders.together / "copies"
    assert not (run_folder(copies, KILLED, 0) / "results.json").exists()
    assert any((run_folder(copies, KILLED, 0) / "checkpoint").iterdir())
    loop.fit(read_run(make_config(celeba_files, celeba_files.parent / "cache", KILLED)), copies)
    assert_same(run_folder(folders.alone, KILLED, 0), run_folder(copies, KILLED, 0))


def test_who_is_left_says_so(folders: Folders) -> None:
    log = (folders.together / "log_0").read_text()
    assert "\nanother process of this run has ended, or did not answer in 5 minutes: see what it says; the same" in log
    assert "Traceback" not in log


CONFIG = make_config(Path(), Path(), "joint_")


@pytest.mark.parametrize(
    ("size", "batch_size", "looks_at", "compiled", "words"),
    [
        (3, 8, (), "auto", "^batch_size is 8, for 3 processes together: choose a multiple of 3, of at least 6$"),
        (8, 8, (), "auto", "^batch_size is 8, for 8 processes together: choose a multiple of 8, of at least 16$"),
        (2, 6, ("halves",), "auto", "each of 2 processes has 3 images: choose a multiple of 4 as batch_size$"),
        (2, 8, (), "on", "^a step that several processes take together is not compiled: leave compile at auto$"),
    ],
)
def test_mistakes(size: int, batch_size: int, looks_at: Any, compiled: str, words: str) -> None:
    settings = read_train(CONFIG)._replace(batch_size=batch_size, compile=compiled)
    method = equal()._replace(looks_at=looks_at)
    check(settings, method, ALONE)
    with pytest.raises(UserError, match=words):
        check(settings, method, ALONE._replace(size=size))
