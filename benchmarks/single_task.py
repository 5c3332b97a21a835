"""A network per task: all K under one vmap, against one after the other; and K times the step of one network.

The same step trains K independent networks when its trunk holds K trunks side by side (`separate` in
mtl/models/model.py). The contestants take turns in one process; reported are ratios of neighbouring steps: their median
and quartiles.

Command: python benchmarks/single_task.py    writes artifacts/benchmarks/single_task_<device>.json
"""

from functools import partial
from typing import Any

import torch
from absl import app, flags
from result import write_result

from mtl.bench.ours import Case, make_batch, make_network, make_trainer
from mtl.bench.settings import Effort
from mtl.bench.table import cell
from mtl.bench.timing import Contestant, Step, quartiles, take_turns
from mtl.models.model import separate

NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 8, "turns that each contestant takes")
NUM_TASKS = flags.DEFINE_integer("num_tasks", 8, "K")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "pixels")
JOINT, IN_TURN, AT_ONCE = "joint", "one after the other", "all at once"


def make_step(case: Case, device: torch.device, kind: str) -> Step:
    """A training step of one network, or of K."""
    made, batch = make_network(case, device), make_batch(case, device)
    if kind != JOINT:
        made = separate(*made, at_once=kind == AT_ONCE)
    train = make_trainer(made, tuple(batch.inputs.shape))
    return lambda: train(batch)


def main(_: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    case = Case("resnet18", NUM_TASKS.value, BATCH_SIZE.value, IMAGE_SIZE.value)
    contestants = {kind: Contestant(partial(make_step, case, device, kind)) for kind in (JOINT, IN_TURN, AT_ONCE)}
    found = take_turns(contestants, JOINT, device, Effort(num_warmup=1, min_rounds=NUM_ROUNDS.value))
    times = {name: timed.seconds_R for name, timed in found.items()}
    ratios = {
        "all at once / one after the other": times[AT_ONCE] / times[IN_TURN],
        "one after the other / (K x joint)": times[IN_TURN] / (case.num_tasks * found[IN_TURN].yardstick_R),
    }
    result: dict[str, Any] = {
        "seconds_per_step": {name: quartiles(values) for name, values in times.items()},
        "ratio": {name: quartiles(values) for name, values in ratios.items()},
        "setting": {
            "backbone": "resnet18",
            "num_tasks": case.num_tasks,
            "batch_size": case.batch_size,
            "image_size": case.image_size,
            "num_rounds": NUM_ROUNDS.value,
        },
    }
    write_result(f"single_task_{device.type}", result, device)
    for name, ratio in result["ratio"].items():
        print(f"{name}: {cell(ratio)}")


if __name__ == "__main__":
    app.run(main)
