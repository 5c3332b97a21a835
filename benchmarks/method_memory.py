"""Peak memory of a training step, against joint training.

The contestants are described in benchmarks/contestants.py. Each runs in processes of its own, which have imported what
all need and done nothing else; reported is the median of them. On a CPU it is the process's resident memory:

  imported   before there is a network; the libraries, and the batch
  built      before the first step: with parameters, and with ours also the optimizer's state, which torch.optim makes
             in the first step
  peak       the highest in a few steps

and on a GPU what tensors take there. `ratio` holds those to joint training: of the peak, of what the peak is above
`imported` (network, optimizer and steps, the same things for all) and of what it is above `built`.

Who looks at the features needs what all need who do, so only some take part, unless they are named with --methods.

Command: python benchmarks/method_memory.py    writes artifacts/benchmarks/method_memory_<device>.json
"""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from absl import app, flags
from contestants import JOINT, OTHERS, Contestant, at_parameters, ours
from result import write_result
from timing import aligned, make_batch

from mtl.methods import METHODS
from mtl.training.sourcing import Sourcing

SAMPLE = ["famo", "upgrad", "modo", "graddrop", "moco"]
NUM_TASKS = flags.DEFINE_multi_integer("num_tasks", [8, 40], "K; may be given several times")
NAMES = flags.DEFINE_multi_enum("methods", SAMPLE, METHODS, "may be given several times")
AT_PARAMETERS = flags.DEFINE_multi_enum("at_parameters", ["upgrad"], METHODS, "methods to look at the parameters too")
NUM_STEPS = flags.DEFINE_integer("num_steps", 2, "steps in a process")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", 3, "processes for each contestant and K")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "pixels")
COMPILE = flags.DEFINE_string("compile", "off", "how our step runs: auto, on, off")

Bytes = dict[str, int]


class Setting(NamedTuple):
    """What a process is told, which may not inherit the flags."""

    num_tasks: int
    num_steps: int
    batch_size: int
    image_size: int
    compile: str
    device: str


def find_contestants(names: list[str], looking: list[str]) -> dict[str, Contestant]:
    """Joint training first."""
    contestants = {"joint": JOINT} | {name: ours(name) for name in names}
    for name in looking:
        contestants |= at_parameters(name)
    return contestants | {"joint, parameters": ours("joint", Sourcing("parameters"))} | OTHERS


def memory(device: torch.device, peak: bool = False) -> int:
    """Bytes in use now, or at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    field = "VmHWM" if peak else "VmRSS"
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def take_steps(sender: Connection, name: str, setting: Setting, names: list[str], looking: list[str]) -> None:
    """What a process does."""
    device = torch.device(setting.device)
    batch = make_batch(setting.num_tasks, setting.batch_size, setting.image_size, device)
    imported = memory(device)
    step = find_contestants(names, looking)[name].make(batch, setting.compile)
    built = memory(device)
    for _ in range(setting.num_steps):
        step()
    sender.send({"imported": imported, "built": built, "peak": memory(device, peak=True)})


def measure(name: str, setting: Setting) -> Bytes | None:
    """A process's bytes; None if it did not live to tell, for want of memory."""
    # A fork needs no imports of its own; CUDA does not survive one.
    context: Any = multiprocessing.get_context("spawn" if setting.device == "cuda" else "fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=take_steps, args=(sender, name, setting, NAMES.value, AT_PARAMETERS.value))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        found = None
    process.join()
    return found


def median(found: list[Bytes]) -> Bytes:
    """Of each of the bytes."""
    return {key: int(np.median([each[key] for each in found])) for key in found[0]}


def measure_all(setting: Setting) -> dict[str, Any]:
    """Every contestant: medians, the lowest and the highest peak, ratios to joint training."""
    entries: dict[str, Any] = {}
    for name in find_contestants(NAMES.value, AT_PARAMETERS.value):
        found = [each for _ in range(NUM_PROCESSES.value) if (each := measure(name, setting)) is not None]
        if not found:
            print(f"K = {setting.num_tasks}, {name}: failed", flush=True)
            continue
        middle, peaks = median(found), [each["peak"] for each in found]
        joint = entries["joint"]["bytes"] if entries else middle
        ratio = {"peak": middle["peak"] / joint["peak"]} | {
            f"peak - {start}": (middle["peak"] - middle[start]) / (joint["peak"] - joint[start])
            for start in ("imported", "built")
        }
        entries[name] = {"bytes": middle, "peak_range": [min(peaks), max(peaks)], "ratio": ratio}
        print(f"K = {setting.num_tasks}, {name}: {middle['peak'] / 1e6:.0f} MB", flush=True)
    return entries


def table(measured: dict[str, Any]) -> str:
    """A line per K and contestant."""
    lines = [["MB; ratios to joint", "K", "imported", "built", "peak", "peak", "- imported", "- built"]]
    for size, entries in measured.items():
        for name, found in entries.items():
            megabytes = [f"{value / 1e6:.0f}" for value in found["bytes"].values()]
            lines.append([name, size, *megabytes, *(f"{ratio:.2f}" for ratio in found["ratio"].values())])
    return aligned(lines)


def main(_: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sizes = NUM_STEPS.value, BATCH_SIZE.value, IMAGE_SIZE.value
    measured = {
        str(num_tasks): measure_all(Setting(num_tasks, *sizes, COMPILE.value, device.type))
        for num_tasks in NUM_TASKS.value
    }
    result = {
        "num_tasks": measured,
        "setting": {
            "backbone": "resnet18",
            "head": "linear",
            "batch_size": BATCH_SIZE.value,
            "image_size": IMAGE_SIZE.value,
            "optimizer": "adamw",
            "compile": COMPILE.value,
            "num_steps": NUM_STEPS.value,
            "num_processes": NUM_PROCESSES.value,
        },
    }
    write_result(f"method_memory_{device.type}", result, device, ("torchjd",))
    print(table(measured))


if __name__ == "__main__":
    app.run(main)
