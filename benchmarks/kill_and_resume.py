"""A run that is left alone, the same again, and one that is killed with SIGKILL at random moments: the same bits?

All are `--job=train` of launch.py with the flags given after `--`, for each number of threads. A life lasts for a
random part of the time that the undisturbed run took, so a kill falls anywhere: reading, probing, stepping, writing a
checkpoint, testing.

Command: python benchmarks/kill_and_resume.py --num_kills=5 --runs=/tmp/killed -- --config.method=dst ...
         writes artifacts/benchmarks/kill_and_resume.json
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from absl import app, flags
from result import write_result

NUM_KILLS = flags.DEFINE_integer("num_kills", 5, "lives that end by SIGKILL")
THREADS = flags.DEFINE_list("threads", ["1", "2"], "numbers of threads that are tried, each by itself")
SEED = flags.DEFINE_integer("kill_seed", 0, "of the moments")
RUNS = flags.DEFINE_string("runs", None, "an empty folder for the runs", required=True)
ROOT = Path(__file__).parent.parent


def start(workdir: Path, num_threads: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Starts a life of the run."""
    command = [sys.executable, "launch.py", "--job=train", f"--workdir={workdir}", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": num_threads}
    with (workdir.parent / f"{workdir.name}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def final_tensors(workdir: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint: parameters, buffers, optimizer state and step."""
    (path,) = workdir.glob("*/seed_*/checkpoint/step_*.pt")
    return torch.load(path, weights_only=True)["tensors"]


def test_scores(workdir: Path) -> dict[str, Any]:
    """Of the finished run."""
    (path,) = workdir.glob("*/seed_*/results.json")
    return json.loads(path.read_text())["test"]


def position(workdir: Path) -> str:
    """How far the run's newest checkpoint is."""
    return max((path.stem for path in workdir.glob("*/seed_*/checkpoint/step_*.pt")), default="no checkpoint")


def kill_often(workdir: Path, num_threads: str, arguments: list[str], seconds: float) -> list[dict[str, Any]]:
    """Trains the run to its end in several lives; where each was killed."""
    moments, generator = [], random.Random(SEED.value)
    for number in range(NUM_KILLS.value):
        life = start(workdir, num_threads, arguments)
        moment = generator.uniform(0.05, 2.0 / NUM_KILLS.value) * seconds
        try:
            life.wait(moment)
            raise SystemExit(f"life {number} ended by itself before it could be killed; give a longer run")
        except subprocess.TimeoutExpired:
            life.send_signal(signal.SIGKILL)
            life.wait()
        moments.append({"seconds": round(moment, 2), "newest_checkpoint": position(workdir)})
        print(f"killed after {moment:.1f} s, at {moments[-1]['newest_checkpoint']}", flush=True)
    assert start(workdir, num_threads, arguments).wait() == 0, "the last life failed; see its log"
    return moments


def compare(folder: Path, num_threads: str, arguments: list[str]) -> dict[str, Any]:
    """The undisturbed run against the same again and against the killed one."""
    folder.mkdir(parents=True)
    began = time.monotonic()
    for name in ("whole", "again"):
        assert start(folder / name, num_threads, arguments).wait() == 0, f"{name} failed; see its log"
    seconds = (time.monotonic() - began) / 2
    moments = kill_often(folder / "killed", num_threads, arguments, seconds)
    whole, scores = final_tensors(folder / "whole"), test_scores(folder / "whole")
    others = {name: final_tensors(folder / name) for name in ("again", "killed")}
    different = {
        name: sum(not torch.equal(whole[key], tensors[key]) for key in whole) for name, tensors in others.items()
    }
    return {
        "num_tensors": len(whole),
        "num_different": different,
        "same_test_scores": {name: test_scores(folder / name) == scores for name in others},
        "kills": moments,
        "undisturbed_seconds": round(seconds, 1),
    }


def main(argv: list[str]) -> None:
    arguments = argv[1:]
    found = {number: compare(Path(RUNS.value) / f"threads_{number}", number, arguments) for number in THREADS.value}
    write_result("kill_and_resume", {"threads": found, "arguments": arguments}, torch.device("cpu"))
    for number, each in found.items():
        print(f"threads {number}: of {each['num_tensors']} tensors differ {each['num_different']}")


if __name__ == "__main__":
    app.run(main)
