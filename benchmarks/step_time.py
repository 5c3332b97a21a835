"""Time per training step: joint and DST in our step against a hand-written eager loop.

The loop is what one writes first: an nn.Module with a list of heads, torch.optim, loss.backward(). Same network, batch,
augmentation and optimizer. The three take turns in one process, so that a slow second of the machine hits all of them;
what is reported are ratios of neighbouring steps: their median and quartiles.

Command: python benchmarks/step_time.py [--num_rounds=30]    writes artifacts/benchmarks/step_time_<device>.json
"""

from typing import Any

import numpy as np
import torch
from absl import app, flags
from handwritten import make_joint
from result import write_result
from timing import make_batch, make_network, make_ours, quartiles, seconds, spread

NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 30, "turns that each contestant takes")
NUM_TASKS = flags.DEFINE_integer("num_tasks", 8, "K")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "pixels")
COMPILE = flags.DEFINE_string("compile", "auto", "how our step runs: auto, on, off")
NUM_WARMUP = 3


def main(_argv: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    num_tasks = NUM_TASKS.value
    batch = make_batch(num_tasks, BATCH_SIZE.value, IMAGE_SIZE.value, device)
    made = make_network(num_tasks)
    contestants = {
        "loop": make_joint(batch),
        "joint": make_ours(made, batch, [True] * num_tasks, COMPILE.value),
        "dst": make_ours(made, batch, [k % 2 == 0 for k in range(num_tasks)], COMPILE.value),
    }
    for step in contestants.values():
        for _ in range(NUM_WARMUP):
            seconds(step, device)
    rounds = np.array([[seconds(step, device) for step in contestants.values()] for _ in range(NUM_ROUNDS.value)])
    times = dict(zip(contestants, rounds.T, strict=True))
    result: dict[str, Any] = {
        "seconds_per_step": {name: quartiles(values) for name, values in times.items()},
        "ratio": {
            "joint / loop": quartiles(times["joint"] / times["loop"]),
            "dst / loop": quartiles(times["dst"] / times["loop"]),
            "dst / joint": quartiles(times["dst"] / times["joint"]),
        },
        "setting": {
            "backbone": "resnet18",
            "num_tasks": num_tasks,
            "batch_size": BATCH_SIZE.value,
            "image_size": IMAGE_SIZE.value,
            "optimizer": "adamw",
            "compile": COMPILE.value,
            "num_rounds": NUM_ROUNDS.value,
        },
    }
    write_result(f"step_time_{device.type}", result, device)
    for name, ratio in result["ratio"].items():
        print(f"{name}: {spread(ratio)}")


if __name__ == "__main__":
    app.run(main)
