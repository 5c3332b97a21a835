"""Time per training step of every method, against joint training; of ours at the parameters, also against others.

The contestants are described in benchmarks/contestants.py. Whole training steps, augmentation and optimizer too. Each
takes turns with joint training in one process, and its ratio is to the joint step just before, so that a slow second of
the machine hits both; reported are medians and quartiles. Who finds the gradients of all tasks at the parameters (ours,
the loop, TorchJD) takes turns with each other too, and ratios between them are of turns in the same round.

Beyond 8 tasks only some of the methods that look at the features take part, unless they are named with --methods.

Command: python benchmarks/method_time.py    writes artifacts/benchmarks/method_time_<device>.json
"""

import time
import warnings
from itertools import product
from typing import Any

import numpy as np
import torch
from absl import app, flags
from contestants import JOINT, OTHERS, Contestant, at_parameters, ours
from result import write_result
from timing import aligned, make_batch, quartiles, seconds, spread

from mtl.batch import Batch
from mtl.methods import METHODS
from mtl.training.sourcing import Sourcing

NUM_TASKS = flags.DEFINE_multi_integer("num_tasks", [8, 40], "K; may be given several times")
NAMES = flags.DEFINE_multi_enum("methods", [], METHODS, "may be given several times; or all, and beyond 8 tasks some")
AT_PARAMETERS = flags.DEFINE_multi_enum("at_parameters", ["upgrad"], METHODS, "methods to look at the parameters too")
SECONDS = flags.DEFINE_float("seconds", 5.0, "rounds of a contestant begin for this long, for each K")
SECONDS_TOGETHER = flags.DEFINE_float("seconds_together", 60.0, "and those of ours, the loop and TorchJD together")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "pixels")
COMPILE = flags.DEFINE_string("compile", "off", "how our step runs: auto, on, off; on takes minutes for each method")
FEW_TASKS, MIN_ROUNDS = 8, 2
SAMPLE = "uncertainty famo mgda nash_mtl pcgrad upgrad graddrop".split()

Group = dict[str, Contestant]


def make_groups(num_tasks: int) -> list[Group]:
    """Who takes turns with whom, besides joint training."""
    sample = [name for name in METHODS if num_tasks <= FEW_TASKS or name in SAMPLE]
    alone = {name: ours(name) for name in NAMES.value or sample}
    together = dict(OTHERS)
    for name in AT_PARAMETERS.value:
        looking = at_parameters(name)
        whole = f"{name}, parameters"
        together[whole] = looking.pop(whole)
        alone |= looking
    alone["joint, parameters"] = ours("joint", Sourcing("parameters"))
    return [*({name: contestant} for name, contestant in alone.items()), together]


def play(group: Group, batch: Batch) -> np.ndarray:
    """Rounds until the time is up: [rounds, contestants, (seconds of the joint step before, of their own)]."""
    torch.compiler.reset()  # to it all methods are one function, of which it keeps a few versions
    device, joint = batch.inputs.device, JOINT.make(batch, COMPILE.value)
    steps = {name: contestant.make(batch, COMPILE.value) for name, contestant in group.items()}

    def turn(name: str) -> float:
        num_steps = group[name].num_steps
        return sum(seconds(steps[name], device) for _ in range(num_steps)) / num_steps

    def play_round() -> list[tuple[float, float]]:
        return [(seconds(joint, device), turn(name)) for name in group]

    play_round()  # warms up
    rounds: list[list[tuple[float, float]]] = []
    end = time.perf_counter() + (SECONDS.value if len(group) == 1 else SECONDS_TOGETHER.value)
    while len(rounds) < MIN_ROUNDS or time.perf_counter() < end:
        rounds.append(play_round())
    return np.array(rounds)


def measure(num_tasks: int, device: torch.device) -> dict[str, Any]:
    """All groups: what each contestant takes, and ours at the parameters against the others there."""
    batch = make_batch(num_tasks, BATCH_SIZE.value, IMAGE_SIZE.value, device)
    contestants: dict[str, Any] = {}
    between: dict[str, Any] = {}
    for group in make_groups(num_tasks):
        times = dict(zip(group, play(group, batch).transpose(1, 2, 0), strict=True))
        for name, (joint, own) in times.items():
            contestants[name] = {
                "seconds": quartiles(own),
                "seconds_of_joint": quartiles(joint),
                "ratio": quartiles(own / joint),
                "num_rounds": len(own),
            }
            print(f"K = {num_tasks}, {name}: {spread(contestants[name]['ratio'])} of joint", flush=True)
        between |= {
            f"{name} / {other}": quartiles(times[name][1] / times[other][1])
            for name, other in product(group, OTHERS)
            if name not in OTHERS and other in group and other != "joint, nn.Module"
        }
    return {"contestants": contestants, "between": between}


def table(measured: dict[str, Any]) -> str:
    """The contestants, then the ratios between those at the parameters."""
    lines = [["", "K", "seconds", "ratio to joint", "rounds"]]
    for size, found in measured.items():
        for name, each in found["contestants"].items():
            seconds_each = f"{each['seconds']['median']:.3f}"
            lines.append([name, size, seconds_each, spread(each["ratio"]), str(each["num_rounds"])])
        lines += [[pair, size, "", spread(ratio), ""] for pair, ratio in found["between"].items()]
    return aligned(lines)


def main(_: list[str]) -> None:
    warnings.filterwarnings("ignore", module=r"torchjd|torch\._inductor")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    measured = {str(num_tasks): measure(num_tasks, device) for num_tasks in NUM_TASKS.value}
    result = {
        "num_tasks": measured,
        "setting": {
            "backbone": "resnet18",
            "head": "linear",
            "batch_size": BATCH_SIZE.value,
            "image_size": IMAGE_SIZE.value,
            "optimizer": "adamw",
            "compile": COMPILE.value,
            "seconds": SECONDS.value,
            "seconds_together": SECONDS_TOGETHER.value,
        },
    }
    write_result(f"method_time_{device.type}", result, device, ("torchjd",))
    print(table(measured))


if __name__ == "__main__":
    app.run(main)
