"""A network per task: all K under one vmap, against one after the other; and K times the step of one network.

The same step trains K independent networks when its trunk holds K trunks side by side (`separate` in
mtl/models/model.py). The contestants take turns in one process; reported are ratios of neighbouring steps: their median
and quartiles.

Command: python benchmarks/single_task.py    writes artifacts/benchmarks/single_task_<device>.json
"""

from typing import Any

import numpy as np
import torch
from absl import app, flags
from result import write_result
from timing import make_batch, make_network, make_ours, quartiles, seconds, spread

from mtl.models.model import separate

NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 8, "turns that each contestant takes")
NUM_TASKS = flags.DEFINE_integer("num_tasks", 8, "K")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "pixels")


def main(_: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    num_tasks = NUM_TASKS.value
    batch = make_batch(num_tasks, BATCH_SIZE.value, IMAGE_SIZE.value, device)
    joint = make_network(num_tasks)
    gates = [True] * num_tasks
    contestants = {
        "joint": make_ours(joint, batch, gates),
        "one after the other": make_ours(separate(*joint, at_once=False), batch, gates),
        "all at once": make_ours(separate(*joint, at_once=True), batch, gates),
    }
    for step in contestants.values():
        seconds(step, device)
    rounds = np.array([[seconds(step, device) for step in contestants.values()] for _ in range(NUM_ROUNDS.value)])
    times = dict(zip(contestants, rounds.T, strict=True))
    ratios = {
        "all at once / one after the other": times["all at once"] / times["one after the other"],
        "one after the other / (K x joint)": times["one after the other"] / (num_tasks * times["joint"]),
    }
    result: dict[str, Any] = {
        "seconds_per_step": {name: quartiles(values) for name, values in times.items()},
        "ratio": {name: quartiles(values) for name, values in ratios.items()},
        "setting": {
            "backbone": "resnet18",
            "num_tasks": num_tasks,
            "batch_size": BATCH_SIZE.value,
            "image_size": IMAGE_SIZE.value,
            "num_rounds": NUM_ROUNDS.value,
        },
    }
    write_result(f"single_task_{device.type}", result, device)
    for name, ratio in result["ratio"].items():
        print(f"{name}: {spread(ratio)}")


if __name__ == "__main__":
    app.run(main)
