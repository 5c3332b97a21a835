"""A long run and a long study in one process: does memory grow, do files stay open, is anything compiled again?

- a run of at least 10,000 steps of a slim ResNet-18 on drawn faces of 16 x 16 pixels, DST with gates per epoch
- a study of 30 runs, one after the other, of at least 200 steps each

After each epoch, or run, three numbers are noted: resident memory, open files, graphs that torch.compile made. What
comes in the first part (`WARM_UP`) is warming up; growth is the greatest of the last tenth against the greatest of the
first tenth after it, so that a wave is no growth.

Command: python benchmarks/soak.py --runs=/tmp/soak
         writes artifacts/benchmarks/soak.json
"""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from absl import app, flags
from ml_collections import ConfigDict
from result import write_result

from mtl.bench.memory import in_use
from mtl.config import read_study
from mtl.study import study
from mtl.training import loop

NUM_STEPS = flags.DEFINE_integer("num_steps", 10_000, "of the long run")
NUM_RUNS = flags.DEFINE_integer("num_runs", 30, "of the study")
STEPS_PER_RUN = flags.DEFINE_integer("steps_per_run", 200, "of each run of the study")
RUNS = flags.DEFINE_string("runs", None, "an empty folder for the runs", required=True)
COMPILED = flags.DEFINE_boolean("compiled", False, "with train.compile=on: nothing must be compiled twice")
WARM_UP = 0.2  # share of the notes
MOST_GROWTH = 0.01
STEPS_PER_EPOCH, BATCH_SIZE = 50, 8


def make_config(folder: Path) -> ConfigDict:
    """Drawn faces, of which an epoch has some 50 steps."""
    sys.path.append(str(Path(__file__).parent.parent))  # configs/ is no part of what is installed
    from configs.default import get_config

    config = get_config()
    config.data.update({"root": str(folder / "faces"), "cache": str(folder / "cache"), "image_size": 16})
    config.data.num_faces = STEPS_PER_EPOCH * BATCH_SIZE * 4 // 3  # some four fifths of them are the training split
    config.model.width = 0.125
    config.train.update({"batch_size": BATCH_SIZE, "checkpoint_seconds": 5.0, "log_every": 10, "device": "cpu"})
    config.train.compile = "on" if COMPILED.value else "off"
    config.dst.probe_images = 128
    return config


def note() -> dict[str, float]:
    """What might grow."""
    gc.collect()
    graphs = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    return {
        "resident_megabytes": in_use(torch.device("cpu")) / 1e6,
        "open_files": len(list(Path("/proc/self/fd").iterdir())),
        "graphs": graphs,
    }


@contextmanager
def noting(name: str) -> Iterator[list[dict[str, float]]]:
    """Notes after each call of a function of `loop`."""
    function, notes = getattr(loop, name), list[dict[str, float]]()

    def watched(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        notes.append(note())
        return result

    setattr(loop, name, watched)
    try:
        yield notes
    finally:
        setattr(loop, name, function)


def growth(notes: list[dict[str, float]]) -> dict[str, Any]:
    """The greatest of the first and of the last tenth after the warm-up, and how much larger the last is."""
    warm = notes[int(WARM_UP * len(notes)) :]
    tenth = max(1, len(warm) // 10)
    found: dict[str, Any] = {"num_notes": len(notes)}
    for name in notes[0]:
        first, last = (max(each[name] for each in part) for part in (warm[:tenth], warm[-tenth:]))
        found[name] = {"after_warm_up": first, "at_the_end": last, "growth": (last - first) / first if first else last}
    some = notes[:: max(1, len(notes) // 10)]
    found["every_tenth"] = [{name: round(value, 1) for name, value in each.items()} for each in some]
    return found


def long_run(folder: Path) -> dict[str, Any]:
    """One run of many epochs, noted after each."""
    config = make_config(folder)
    config.train.epochs = NUM_STEPS.value // STEPS_PER_EPOCH
    config.study.methods, config.study.seeds = ("dst",), (0,)
    with noting("close_epoch") as notes:
        study(read_study(config), folder / "long")
    return growth(notes)


def long_study(folder: Path) -> dict[str, Any]:
    """Many runs of a few epochs, noted after each."""
    config = make_config(folder)
    config.train.epochs = STEPS_PER_RUN.value // STEPS_PER_EPOCH
    config.study.methods, config.study.seeds = ("joint", "dst", "upgrad"), tuple(range(NUM_RUNS.value // 3))
    with noting("finish") as notes:
        study(read_study(config), folder / "study")
    return growth(notes)


def main(argv: list[str]) -> None:
    found, folder = dict[str, Any](), Path(RUNS.value)
    for name, measure in (("run", long_run), ("study", long_study)):
        began = time.monotonic()
        found[name] = measure(folder) | {"seconds": round(time.monotonic() - began, 1)}
        print(name, {key: value for key, value in found[name].items() if key != "every_tenth"}, flush=True)
    grew = [
        f"{name}: {what}"
        for name, each in found.items()
        for what in ("resident_megabytes", "open_files", "graphs")
        if each[what]["growth"] > MOST_GROWTH
    ]
    settings = {"num_steps": NUM_STEPS.value, "num_runs": NUM_RUNS.value, "compiled": COMPILED.value}
    write_result("soak", {**settings, **found, "grew": grew}, torch.device("cpu"))
    print(f"grew: {', '.join(grew) or 'nothing'}")


if __name__ == "__main__":
    app.run(main)
