"""Every run once, after what it needs; what others train is waited for, or left."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from mtl.config import read_study
from mtl.errors import UserError
from mtl.launchers import queue
from mtl.launchers.local import in_turn
from mtl.launchers.queue import Crew, Outcome, Results, train_all
from mtl.launchers.shards import Shard, in_shard
from mtl.record import locks
from mtl.record.files import write_json
from mtl.record.locks import InUse
from mtl.record.paths import RESULTS, run_folder
from mtl.study import train_run
from mtl.training import loop
from mtl.training.run import finished
from mtl.training.settings import RunSettings
from mtl.world import World
from tests.launchers.runs import make_runs
from tests.made_up import results_of_nothing


def scripted(size: int, outcomes: dict[str, list[Outcome]], log: list[str]) -> Crew:
    """Ends runs in the order in which it got them; what comes of one is its next outcome, or its name."""
    at_work = deque[RunSettings]()

    def start(run: RunSettings) -> None:
        log.append(f"+{run.name}{run.seed}")
        at_work.append(run)
        assert len(at_work) <= size

    def collect() -> tuple[RunSettings, Outcome]:
        run = at_work.popleft()
        name = f"{run.name}{run.seed}"
        log.append(f"-{name}")
        left = outcomes.get(name)
        return run, left.pop(0) if left else {"name": name}

    return Crew(size, start, collect)


def trained(runs: list[RunSettings], crew: Crew, waits: bool = True) -> list[str]:
    return [results["name"] for results in train_all(runs, crew, waits)]


def test_one_after_the_other_in_the_order_given() -> None:
    log: list[str] = []
    assert trained(make_runs(("joint", "dst", "random_drop"), (0,)), scripted(1, {}, log)) == [
        "joint0",
        "dst0",
        "random_drop0",
    ]
    assert log == ["+joint0", "-joint0", "+dst0", "-dst0", "+random_drop0", "-random_drop0"]


@given(st.permutations(make_runs(("joint", "dst", "random_drop", "upgrad"), (0, 1))), st.integers(1, 9))
def test_each_once_and_after_what_it_needs(runs: list[RunSettings], size: int) -> None:
    log: list[str] = []
    names = trained(runs, scripted(size, {}, log))
    assert sorted(names) == sorted(f"{run.name}{run.seed}" for run in runs)
    assert sorted(log) == sorted(f"{sign}{name}" for name in names for sign in "+-")
    for seed in (0, 1):
        assert log.index(f"-dst{seed}") < log.index(f"+random_drop{seed}")
    first = [entry[0] for entry in log].index("-")
    assert first == min(size, 6), "as many at once as there is room for"


def test_what_is_in_use_comes_later(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sleeps: list[float] = []
    monkeypatch.setattr(queue.time, "sleep", sleeps.append)
    log: list[str] = []
    outcomes: dict[str, list[Outcome]] = {"dst0": [InUse("by A")] * 4}
    names = trained(make_runs(("dst", "random_drop", "joint"), (0,)), scripted(1, outcomes, log))
    assert names == ["joint0", "dst0", "random_drop0"]
    assert len(sleeps) == 3, "a run that ended in between is time enough"
    assert capsys.readouterr().err == "waiting for other processes, which train dst (seed 0)\n"


def test_what_is_in_use_is_left_with_what_needs_it() -> None:
    log: list[str] = []
    runs = make_runs(("dst", "random_drop", "joint"), (0, 1))
    assert trained(runs, scripted(2, {"dst0": [InUse("by A")] * 9}, log), waits=False) == [
        "joint0",
        "dst1",
        "joint1",
        "random_drop1",
    ]
    assert "+random_drop0" not in log


def test_the_first_mistake_ends_it() -> None:
    log: list[str] = []
    crew = scripted(1, {"dst0": [UserError("no lambda")]}, log)
    with pytest.raises(UserError, match="no lambda"):
        trained(make_runs(("joint", "dst", "upgrad"), (0,)), crew)
    assert log == ["+joint0", "-joint0", "+dst0", "-dst0"]


def test_a_mistake_is_a_value() -> None:
    (run,) = make_runs(("joint",), (0,))

    def train(run: RunSettings) -> dict:
        raise UserError("not so", "epochs")

    outcome = queue.attempt(train, run)
    assert isinstance(outcome, UserError) and outcome.argument == "epochs"
    assert queue.attempt(lambda run: {"name": run.name}, run) == {"name": "joint"}


def test_commands_at_once_train_each_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real locks: two that want all runs, and two shards, one of which is there twice."""
    runs, begun = make_runs(("joint", "dst", "random_drop", "upgrad"), tuple(range(8))), list[tuple[str, int]]()
    start = threading.Barrier(5)

    def train_and_write(run: RunSettings, workdir: Path, world: World) -> tuple[None, Results]:
        """In place of what comes once the run is held: threads may not trace networks at the same time."""
        found = finished(run, workdir)
        if found is None:
            begun.append((run.name, run.seed))
            found = results_of_nothing(run.name, run.seed)
            write_json(run_folder(workdir, run.name, run.seed) / RESULTS, found)
        return None, found

    def command(shard: Shard, waits: bool) -> int:
        start.wait()
        return len([*train_all(in_shard(runs, shard), in_turn(partial(train_run, workdir=tmp_path)), waits)])

    monkeypatch.setattr(loop, "_fit", train_and_write)
    monkeypatch.setattr(queue, "SECONDS", 0.01)
    given = [(Shard(1, 1), True)] * 2 + [(Shard(1, 2), False)] + [(Shard(2, 2), False)] * 2
    with ThreadPoolExecutor(5) as threads:
        numbers = [*threads.map(command, *zip(*given, strict=True))]
    assert numbers[:2] == [32, 32]
    assert sorted(begun) == sorted((run.name, run.seed) for run in runs)
    assert list(tmp_path.rglob(locks.LOCK)) == []


@pytest.mark.parametrize(
    ("field", "value"), [("num_parallel", 0), ("ray.num_cpus", 0), ("ray.num_gpus", -0.5), ("ray.max_retries", -1)]
)
def test_what_cannot_be_is_refused(config: ConfigDict, field: str, value: float) -> None:
    config.study.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=rf"study.{field} is {value}; choose a "):
        read_study(config)
