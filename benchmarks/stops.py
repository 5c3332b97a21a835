"""A study of drawn faces, its report and an export, stopped at random moments: does the same command always go on?

One series is three commands: the study (draws faces, packs them, trains, writes checkpoints, evaluates), its report
(statistics, figures, PDF, video) and the export of a network. In a disturbed series each command is stopped some times
and given again until it ends by itself: by SIGKILL, SIGTERM or SIGINT, by a disk that is full (a tmpfs that is filled,
where root may mount one), or by a limit on the length of files that comes into force while it runs. A moment is random
within a phase (drawing, packing, the first epoch, ...), and phases take turns, since most of a short life is the
start of Python. What is counted:

- ends: with the exit code that is promised, without a traceback, and with the name of the file that was not written
- seconds from SIGTERM to the end
- what is left at the end: parameters, logs, predictions, results, model folders and the exported file against those of
  an undisturbed series, bit for bit but for what the clock says; temporary files, locks and processes

Command: python benchmarks/stops.py --num_stops=60 --runs=/tmp/stops
         writes artifacts/benchmarks/stops.json
"""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from absl import app, flags
from result import write_result

from mtl.processes.stopping import INTERRUPTED, LATER

NUM_STOPS = flags.DEFINE_integer("num_stops", 60, "lives that are stopped, at least; the last series is finished")
PER_JOB = flags.DEFINE_list("per_job", ["8", "3", "2"], "stops of the study, the report and the export in a series")
THREADS = flags.DEFINE_integer("threads", 1, "of each process")
SEED = flags.DEFINE_integer("stop_seed", 0, "of the moments")
RUNS = flags.DEFINE_string("runs", None, "an empty folder for the series", required=True)
ROOM = flags.DEFINE_integer("room", 300, "megabytes of the disk that is filled")
ROOT = Path(__file__).parent.parent
STUDY = (
    *("--config.study.methods=('joint','dst')", "--config.data.num_faces=120", "--config.data.image_size=32"),
    *("--config.model.width=0.25", "--config.train.epochs=3", "--config.train.batch_size=8"),
    *("--config.train.checkpoint_seconds=0.5", "--config.train.log_every=2", "--config.data.num_workers=2"),
)
PATIENCE = 120.0  # seconds after which a life that was stopped counts as one that hangs
LEFTOVERS = ("*.tmp", "*.lock", ".lock", "*.partial", "*.unfinished", ".export_*")

TRAINING = [f"training and evaluation, {number} of 2 runs finished" for number in range(3)]
PHASES = ["drawing", "packing", "first epoch", *TRAINING]  # of the study; the other jobs have one each

Stop = Callable[[subprocess.Popen[bytes], Path], Any]


def commands(place: Path, arguments: list[str]) -> dict[str, list[str]]:
    """The jobs of a series, whose files all lie in `place`."""
    workdir = f"--workdir={place}/out"
    data = (f"--config.data.root={place}/faces", f"--config.data.cache={place}/cache")
    model = f"--model={place}/out/dst/seed_0/model"
    return {
        "study": [workdir, *data, *STUDY, *arguments],
        "report": ["--job=report", workdir],
        "export": ["--job=export", model, f"--output={place}/export/network.pt2", "--format=pt2"],
    }


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a life; what it says goes through a pipe, since a full disk or a limit must not meet the log."""
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS.value)}
    life = subprocess.Popen(
        [sys.executable, "launch.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a session, so that what it leaves behind is found by it
    )
    assert life.stdout is not None
    subprocess.Popen(["tee", "-a", str(log)], stdin=life.stdout, stdout=subprocess.DEVNULL)
    life.stdout.close()
    return life


def send(number: signal.Signals) -> Stop:
    """A signal to the process alone."""
    return lambda life, place: life.send_signal(number)


def fill_disk(life: subprocess.Popen[bytes], place: Path) -> None:
    """Leaves no byte."""
    with (place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def limit_files(life: subprocess.Popen[bytes], place: Path) -> None:
    """No file may become longer than a kilobyte from now on."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(life.pid, resource.RLIMIT_FSIZE, (1000, 1000))


STOPS: dict[str, tuple[Stop, tuple[int, ...]]] = {  # name -> (how, exit codes of one that was stopped by it)
    "SIGKILL": (send(signal.SIGKILL), (-signal.SIGKILL,)),
    "SIGTERM": (send(signal.SIGTERM), (LATER, -signal.SIGTERM)),  # the latter while Python starts
    "SIGINT": (send(signal.SIGINT), (INTERRUPTED, -signal.SIGINT)),
    "full disk": (fill_disk, (2,)),
    "file-size limit": (limit_files, (2,)),
}


def phase(place: Path, job: str) -> str:
    """What was under way, as the files show it."""
    if job != "study":
        return job
    if not any((place / "faces").glob("v*[0-9]")):
        return "drawing"
    if not any((place / "cache").glob("*/made_of.json")):
        return "packing"
    runs = [*(place / "out").glob("*/seed_*")]
    if not any(run / "checkpoint" for run in runs if (run / "checkpoint").is_dir()):
        return "first epoch"
    return TRAINING[sum((run / "results.json").is_file() for run in runs)]


def survivors(session: int) -> list[int]:
    """Processes of a session that are not dead."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def reach(life: subprocess.Popen[bytes], place: Path, job: str, target: str, seconds: float) -> bool:
    """Waits for a phase, and in it; whether the life lasted so long. It may have begun in a later phase."""

    def is_before() -> bool:
        at = PHASES.index(phase(place, job))
        return at < PHASES.index(target) or (PHASES[at] in TRAINING[:2] and not holds_a_run(life, place))

    while job == "study" and life.poll() is None and is_before():
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        life.wait(seconds)
    return life.poll() is None


def holds_a_run(life: subprocess.Popen[bytes], place: Path) -> bool:
    """Whether it has come to a run: before that it is Python that starts."""
    for path in place.glob("out/*/seed_*/.lock"):
        with contextlib.suppress(FileNotFoundError):  # it was let go just now
            if path.read_text().startswith(f"process {life.pid} "):
                return True
    return False


def disturb(
    place: Path, job: str, arguments: list[str], kind: str, target: str, seconds: float, log: Path
) -> dict[str, Any] | None:
    """One life that is stopped some seconds into a phase; None if it had ended before."""
    log.write_bytes(b"")
    life, born = start(arguments, log), time.monotonic()
    try:
        if not reach(life, place, job, target, seconds):
            assert life.wait() == 0, f"{job} failed before it was stopped: see {log}"
            return None
        return stopped(life, place, job, kind, time.monotonic() - born, log)
    finally:
        life.kill()


def stopped(
    life: subprocess.Popen[bytes], place: Path, job: str, kind: str, moment: float, log: Path
) -> dict[str, Any]:
    """Stops a life, and what came of that."""
    stop, codes = STOPS[kind]
    at, began = phase(place, job), time.monotonic()
    stop(life, place)
    try:
        code = life.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        life.kill()
        code = life.wait()
        at += ", hung"
    seconds = time.monotonic() - began
    (place / "filler").unlink(missing_ok=True)
    time.sleep(0.5)  # for what it had started to see its end
    said = log.read_text(errors="replace")
    sentence = said.strip().rpartition("\n")[2] if code == 2 else ""
    promised = code in (*codes, *((0,) if kind != "SIGKILL" else ())) and "hung" not in at
    return {
        **{"job": job, "kind": kind, "after_seconds": round(moment, 2), "during": at, "exit_code": code},
        "as_promised": promised and (code != 2 or str(place) in sentence),
        "traceback": "Traceback" in said,
        "seconds_to_end": round(seconds, 2),
        "processes_left": len(survivors(life.pid)),
        "said": sentence,
    }


def finish(arguments: list[str], log: Path) -> None:
    """A life that is left alone."""
    assert start(arguments, log).wait() == 0, f"a life that was left alone failed: see {log}"


def content(place: Path) -> dict[str, Any]:
    """What must be the same: file -> its numbers, without what the clock says."""
    out, found = place / "out", dict[str, Any]()
    for run in sorted(out.glob("*/seed_*")):
        name = run.relative_to(out).as_posix()
        for path in sorted((run / "checkpoint").glob("*.pt")):
            tensors = torch.load(path, weights_only=True)["tensors"]
            found |= {f"{name}/{path.name}{key}": value.numpy().tobytes() for key, value in tensors.items()}
        for path in (run / "metrics.jsonl", run / "dst.jsonl"):
            lines = path.read_text().splitlines() if path.is_file() else []
            found[f"{name}/{path.name}"] = [timeless(json.loads(line)) for line in lines]
        for path in (run / "predictions.npz", run / "examples.npz"):
            arrays = np.load(path, allow_pickle=False)
            found |= {f"{name}/{path.name}/{key}": value.tobytes() for key, value in arrays.items()}
        found[f"{name}/results.json"] = timeless(json.loads((run / "results.json").read_text()))
        found |= {f"{name}/model/{path.name}": path.read_bytes() for path in (run / "model").iterdir()}
    results = json.loads((out / "results.json").read_text())
    found["results.json"] = {key: value for key, value in timeless(results).items() if key != "provenance"}
    found |= {f"figures/{path.name}": path.read_bytes() for path in (out / "figures").glob("*.svg")}
    found["network.pt2"] = (place / "export" / "network.pt2").read_bytes()
    for path in sorted((place / "faces").rglob("*")):
        if path.is_file():
            found[path.relative_to(place).as_posix()] = path.read_bytes()
    return found


def timeless(value: Any) -> Any:
    """JSON without what the clock says."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if "second" not in key}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A disk of its own for a series, and whether there is one; it needs root."""
    place.mkdir(parents=True)
    size = f"size={ROOM.value}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(place)], check=True)


def undisturbed(place: Path, arguments: list[str]) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """What a series leaves; and of each job, how long each of its phases was, seconds."""
    lasted, log = dict[str, dict[str, float]](), place.with_name("undisturbed.log")
    with small_disk(place):
        for job, command in commands(place, arguments).items():
            life, phases = start(command, log), Counter[str]()
            while life.poll() is None:
                now, began = phase(place, job), time.monotonic()
                time.sleep(0.02)
                phases[now] += time.monotonic() - began  # type: ignore[assignment]  # a Counter counts anything
            assert life.returncode == 0, f"a life that was left alone failed: see {log}"
            lasted[job] = dict(phases)
        return content(place), lasted


def series(
    place: Path, arguments: list[str], generator: random.Random, lasted: dict[str, dict[str, float]]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """What a disturbed series leaves, its stops, and files that should not be there."""
    stops, log = [], place.with_name(f"{place.name}.log")
    with small_disk(place) as can_fill:
        kinds = [kind for kind in STOPS if can_fill or kind != "full disk"]
        for (job, command), number in zip(commands(place, arguments).items(), map(int, PER_JOB.value), strict=True):
            phases = list(lasted[job].items())
            for index in range(number):
                target, seconds = phases[index * len(phases) // number]
                moment = generator.uniform(0.0, seconds)
                found = disturb(place, job, command, generator.choice(kinds), target, moment, log)
                if found is not None:
                    stops.append(found)
                    print(json.dumps(found), flush=True)
            finish(command, log)
        left = [path.relative_to(place).as_posix() for pattern in LEFTOVERS for path in place.rglob(pattern)]
        return content(place), stops, left


def main(argv: list[str]) -> None:
    generator, folder = random.Random(SEED.value), Path(RUNS.value)
    expected, lasted = undisturbed(folder / "undisturbed", argv[1:])
    print(f"undisturbed: {lasted}", flush=True)
    stops, compared = list[dict[str, Any]](), list[dict[str, Any]]()
    while len(stops) < NUM_STOPS.value:
        found, of_series, left = series(folder / f"series_{len(compared)}", argv[1:], generator, lasted)
        different = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        stops += of_series
        compared.append({"num_stops": len(of_series), "different": different[:20], "left_behind": left})
        print(json.dumps(compared[-1]), flush=True)
    bad = [stop for stop in stops if not stop["as_promised"] or stop["traceback"] or stop["processes_left"]]
    terminated = sorted(stop["seconds_to_end"] for stop in stops if stop["kind"] == "SIGTERM")
    result = {
        "num_stops": len(stops),
        "num_survived": len(stops) - len(bad),
        "not_as_promised": bad,
        "kinds": dict(Counter(stop["kind"] for stop in stops)),
        "during": dict(Counter(stop["during"] for stop in stops)),
        "seconds_from_SIGTERM_to_end": {
            "median": float(np.median(terminated or [0])),
            "longest": max(terminated, default=0),
        },
        "num_compared": len(expected),
        "series": compared,
        "undisturbed_seconds": lasted,
        "num_threads": THREADS.value,
        "stops": stops,
    }
    write_result("stops", result, torch.device("cpu"))
    print(
        f"{result['num_survived']} of {len(stops)} as promised; series that differ: "
        f"{sum(bool(each['different']) for each in compared)} of {len(compared)}"
    )


if __name__ == "__main__":
    app.run(main)
