"""A run that is killed with SIGKILL at random moments and resumed, against one that was left alone: the same bits?

Both are `--job=train` of launch.py with the flags given after `--`. A life lasts for a random part of the time that the
undisturbed run took, so a kill falls anywhere: reading, probing, stepping, writing a checkpoint, testing.

Command: python benchmarks/kill_and_resume.py --num_kills=5 --runs=/tmp/killed -- --config.method=dst ...
         writes artifacts/benchmarks/kill_and_resume.json
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from absl import app, flags
from result import write_result

NUM_KILLS = flags.DEFINE_integer("num_kills", 5, "lives that end by SIGKILL")
SEED = flags.DEFINE_integer("kill_seed", 0, "of the moments")
RUNS = flags.DEFINE_string("runs", None, "an empty folder for both runs", required=True)
ROOT = Path(__file__).parent.parent


def start(workdir: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Starts a life of the run."""
    command = [sys.executable, "launch.py", "--job=train", f"--workdir={workdir}", *arguments]
    with (workdir.parent / f"{workdir.name}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def final_tensors(workdir: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint: parameters, buffers, optimizer state and step."""
    (path,) = workdir.glob("*/seed_*/checkpoint/step_*.pt")
    return torch.load(path, weights_only=True)["tensors"]


def position(workdir: Path) -> str:
    """How far the run's newest checkpoint is."""
    return max((path.stem for path in workdir.glob("*/seed_*/checkpoint/step_*.pt")), default="no checkpoint")


def main(argv: list[str]) -> None:
    folder, arguments = Path(RUNS.value), argv[1:]
    folder.mkdir(parents=True)
    began = time.monotonic()
    assert start(folder / "whole", arguments).wait() == 0, "the undisturbed run failed; see its log"
    seconds = time.monotonic() - began
    moments, generator = [], random.Random(SEED.value)
    for number in range(NUM_KILLS.value):
        life = start(folder / "killed", arguments)
        moment = generator.uniform(0.05, 2.0 / NUM_KILLS.value) * seconds
        try:
            life.wait(moment)
            raise SystemExit(f"life {number} ended by itself before it could be killed; give a longer run")
        except subprocess.TimeoutExpired:
            life.send_signal(signal.SIGKILL)
            life.wait()
        moments.append({"seconds": round(moment, 2), "newest_checkpoint": position(folder / "killed")})
        print(f"killed after {moment:.1f} s, at {moments[-1]['newest_checkpoint']}", flush=True)
    assert start(folder / "killed", arguments).wait() == 0, "the last life failed; see its log"
    whole, killed = final_tensors(folder / "whole"), final_tensors(folder / "killed")
    different = [name for name in whole if not torch.equal(whole[name], killed[name])]
    scores = [
        json.loads(next((folder / name).glob("*/seed_*/results.json")).read_text())["test"]
        for name in ("whole", "killed")
    ]
    result = {
        "num_tensors": len(whole),
        "num_different": len(different),
        "same_test_scores": scores[0] == scores[1],
        "kills": moments,
        "undisturbed_seconds": round(seconds, 1),
        "arguments": arguments,
    }
    write_result("kill_and_resume", result, torch.device("cpu"))
    print(f"{len(different)} of {len(whole)} tensors differ; test scores equal: {result['same_test_scores']}")


if __name__ == "__main__":
    app.run(main)
