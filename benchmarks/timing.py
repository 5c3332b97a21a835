"""What the benchmarks of the training step share: a batch, our step, a clock, quartiles, a table."""

import time
from collections.abc import Callable

import numpy as np
import torch
from ml_collections import ConfigDict
from torch.utils._pytree import tree_map

from mtl.data.batches import Batch
from mtl.methods.base import AnyMethod
from mtl.methods.equal import equal
from mtl.models.model import Model, Params
from mtl.optim import adamw, make_schedule
from mtl.training import stepping
from mtl.training.compile import maybe_compile
from mtl.training.step import init_state, make_train_step


def make_batch(num_tasks: int, batch_size: int, image_size: int, device: torch.device) -> Batch:
    """Random pixels and labels; their values do not matter to the time."""
    generator = np.random.default_rng(0)
    shape = (batch_size, num_tasks)
    batch = Batch(
        torch.from_numpy(generator.integers(0, 256, (batch_size, 3, image_size, image_size), dtype=np.uint8)),
        torch.from_numpy(generator.integers(0, 2, shape).astype(np.float32)),
        torch.ones(shape),
        torch.from_numpy(generator.random(batch_size) < 0.5),
        torch.from_numpy(generator.integers(-4, 5, (batch_size, 2))),
        torch.from_numpy(generator.random(num_tasks, dtype=np.float32)),
        torch.tensor(0),
    )
    return Batch(*(tensor.to(device) for tensor in batch))


def make_ours(
    made: tuple[Model, Params, dict[str, torch.Tensor]],
    batch: Batch,
    gates: list[bool],
    compile: str = "off",
    method: AnyMethod | None = None,
    level: str = "auto",
    every: int = 1,
    fraction: float = 1.0,
) -> Callable[[], object]:
    """Our training step of a network from `make_model` with the given gates, its state carried along.

    Args:
      method: what weighs the tasks; equal weights without one.
      level, every, fraction: where the method looks at gradients, see configs/default.py.
    """
    model, params, buffers = made
    method = method or equal()
    gradients = ConfigDict({"level": level, "every": every, "fraction": fraction})
    device = batch.images_BCHW.device
    params, buffers = tree_map(lambda tensor: tensor.to(device), (params, buffers))
    optimizer, schedule = adamw(weight_decay=0.01), make_schedule("constant", 1e-3, 1, 0)
    state = init_state(model, params, buffers, optimizer, method)
    stepping.check(gradients, method, gates_per_step=False)
    train_step = stepping.make_stepper(
        model,
        method,
        gradients,
        params,
        buffers,
        tuple(batch.images_BCHW.shape),
        lambda look: maybe_compile(make_train_step(model, optimizer, schedule, method, look), compile, device),
    )
    gate_tensors = {task: torch.tensor(gate, device=device) for task, gate in zip(model.tasks, gates, strict=True)}
    number = 0

    def step() -> object:
        nonlocal state, number
        state, metrics = train_step(state, batch, gate_tensors, sum(gates), number)
        number += 1
        return metrics

    return step


def seconds(step: Callable[[], object], device: torch.device) -> float:
    """Wall time of one step."""
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def quartiles(values: np.ndarray) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "quartile_1": float(low), "quartile_3": float(high)}


def aligned(lines: list[list[str]]) -> str:
    """A table: the first line names the columns; the first column is aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
