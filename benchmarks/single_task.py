"""A network per task: all K under one vmap, against one after the other; and K times the step of one network.

The same step trains K independent networks when its trunk holds K trunks side by side (`separate` in
mtl/models/model.py). The contestants take turns in one process; reported are ratios of neighbouring steps: their median
and quartiles.

Command: python benchmarks/single_task.py    writes artifacts/benchmarks/single_task_<device>.json
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from absl import app, flags
from timing import make_batch, quartiles, seconds
from torch.utils._pytree import tree_map

from mtl import provenance
from mtl.checkpoint import write_json
from mtl.data.batches import Batch
from mtl.methods.equal import equal
from mtl.models.model import make_model, separate
from mtl.optim import adamw, make_schedule
from mtl.step import init_state, make_train_step

NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 8, "turns that each contestant takes")
NUM_TASKS = flags.DEFINE_integer("num_tasks", 8, "K")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "pixels")


def make_contestant(batch: Batch, num_tasks: int, at_once: bool, joint: bool) -> Callable[[], object]:
    """A training step of K networks, all at once or one after the other, or of the one joint network."""
    tasks = tuple(f"task_{k}" for k in range(num_tasks))
    made = make_model(tasks, "resnet18", "", (), "linear", 0, seed=0)
    model, params, buffers = made if joint else separate(*made, at_once=at_once)
    device = batch.images_BCHW.device
    params, buffers = tree_map(lambda tensor: tensor.to(device), (params, buffers))
    optimizer = adamw(weight_decay=0.01)
    state = init_state(model, params, buffers, optimizer, equal())
    train_step = make_train_step(model, optimizer, make_schedule("constant", 1e-3, 1, 0), equal())
    gates = {task: torch.tensor(True, device=device) for task in tasks}

    def step() -> object:
        nonlocal state
        state, metrics = train_step(state, batch, gates)
        return metrics

    return step


def main(_: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    num_tasks = NUM_TASKS.value
    batch = make_batch(num_tasks, BATCH_SIZE.value, IMAGE_SIZE.value, device)
    contestants = {
        "joint": make_contestant(batch, num_tasks, at_once=False, joint=True),
        "one after the other": make_contestant(batch, num_tasks, at_once=False, joint=False),
        "all at once": make_contestant(batch, num_tasks, at_once=True, joint=False),
    }
    for step in contestants.values():
        seconds(step, device)
    rounds = np.array([[seconds(step, device) for step in contestants.values()] for _ in range(NUM_ROUNDS.value)])
    times = dict(zip(contestants, rounds.T, strict=True))
    ratios = {
        "all at once / one after the other": times["all at once"] / times["one after the other"],
        "one after the other / (K x joint)": times["one after the other"] / (num_tasks * times["joint"]),
    }
    result = {
        "seconds_per_step": {name: quartiles(values) for name, values in times.items()},
        "ratio": {name: quartiles(values) for name, values in ratios.items()},
        "setting": {
            "backbone": "resnet18",
            "num_tasks": num_tasks,
            "batch_size": BATCH_SIZE.value,
            "image_size": IMAGE_SIZE.value,
            "num_rounds": NUM_ROUNDS.value,
        },
        "device": provenance.device_name(device),
        "versions": provenance.versions(),
        "command": provenance.command(),
        "revision": provenance.revision(),
    }
    folder = Path(__file__).parent.parent / "artifacts" / "benchmarks"
    write_json(folder / f"single_task_{device.type}.json", result)
    for name, ratio in result["ratio"].items():
        print(f"{name}: {ratio['median']:.2f} ({ratio['quartile_1']:.2f} to {ratio['quartile_3']:.2f})")


if __name__ == "__main__":
    app.run(main)
