"""Heads of different widths and losses, against as many binary heads: the time of a training step.

Tasks with other losses or widths are other groups, each a vmapped pass of its own over small matrices; the trunk is the
same. Of the 8 tasks of "mixed" 3 are binary, 3 have classes (4, 4 and 9) and 2 are regressions, so that there are four
groups where "binary" has one. The contestants take turns in one process; reported are ratios of neighbouring steps:
their median and quartiles.

Command: python benchmarks/widths.py    writes artifacts/benchmarks/widths_<device>.json
"""

from functools import partial
from typing import Any

import torch
from absl import app, flags
from result import write_result
from torch import Tensor

from mtl.bench.ours import Case, make_batch, make_network, make_trainer
from mtl.bench.settings import Effort
from mtl.bench.table import cell
from mtl.bench.timing import Contestant, Step, quartiles, take_turns
from mtl.losses import Task, binary, classes, regression

NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 20, "turns that each contestant takes")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "images per step")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "pixels")
METHODS = flags.DEFINE_list("methods", ["joint", "nash_mtl"], "balancing methods")
NUM_CLASSES = {"task_3": 4, "task_4": 4, "task_5": 9}
NUMBERS = ("task_6", "task_7")
BINARY, MIXED = "binary", "mixed"


def make_task(task: str) -> Task:
    """Of the mixed tasks."""
    if task in NUM_CLASSES:
        return classes(NUM_CLASSES[task])
    return regression() if task in NUMBERS else binary()


def make_labels(task: str, labels_B: Tensor) -> Tensor:
    """Labels that the task's loss takes."""
    numbers_B = torch.arange(len(labels_B), device=labels_B.device)
    if task in NUM_CLASSES:
        return numbers_B % NUM_CLASSES[task]
    return labels_B + 0.1 * numbers_B if task in NUMBERS else labels_B


def make_step(case: Case, device: torch.device, method: str, kind: str) -> Step:
    """A training step with heads of that kind on the same trunk."""
    batch = make_batch(case, device)
    if kind == BINARY:
        made = make_network(case, device)
    else:
        made = make_network(case, device, make_task)
        batch = batch._replace(labels={task: make_labels(task, of) for task, of in batch.labels.items()})
    train = make_trainer(made, tuple(batch.inputs.shape), method)
    return lambda: train(batch)


def main(_: list[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    case, effort = Case("resnet18", 8, BATCH_SIZE.value, IMAGE_SIZE.value), Effort(2, NUM_ROUNDS.value)
    result: dict[str, Any] = {
        "setting": {**case._asdict(), "num_rounds": NUM_ROUNDS.value},
        "seconds_per_step": {},
        "ratio": {},
    }
    for method in METHODS.value:
        contestants = {kind: Contestant(partial(make_step, case, device, method, kind)) for kind in (BINARY, MIXED)}
        found = take_turns(contestants, BINARY, device, effort)
        times = {kind: timed.seconds_R for kind, timed in found.items()}
        result["seconds_per_step"][method] = {kind: quartiles(values) for kind, values in times.items()}
        result["ratio"][method] = quartiles(times[MIXED] / found[MIXED].yardstick_R)
        print(f"{method}: mixed / binary {cell(result['ratio'][method])}")
    write_result(f"widths_{device.type}", result, device)


if __name__ == "__main__":
    app.run(main)
