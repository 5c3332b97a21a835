"""What the benchmarks of the training step share: a batch, our step, a clock, quartiles, a table."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.batch import Batch
from mtl.losses import binary
from mtl.methods.base import AnyMethod
from mtl.methods.equal import equal
from mtl.models.backbones import make_backbone
from mtl.models.images import Augmentation, augment_and_normalize
from mtl.models.model import Model, Params, make_model
from mtl.optim import adamw, make_schedule
from mtl.training import sourcing
from mtl.training.compile import maybe_compile
from mtl.training.sourcing import Sourcing
from mtl.training.step import init_state, make_train_step

Made = tuple[Model, Params, dict[str, Tensor]]


def make_network(num_tasks: int) -> Made:
    """ResNet-18 with a linear head for each of K binary tasks."""
    tasks = {f"task_{k}": binary() for k in range(num_tasks)}
    return make_model(make_backbone("resnet18", ("layer4",), "", seed=0), tasks)


def make_batch(num_tasks: int, batch_size: int, image_size: int, device: torch.device) -> Batch:
    """Random pixels and labels; their values do not matter to the time."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (batch_size, 3, image_size, image_size), dtype=np.uint8)
    labels_BK = generator.integers(0, 2, (batch_size, num_tasks)).astype(np.float32)
    flip_B, shift_B2 = generator.random(batch_size) < 0.5, generator.integers(-4, 5, (batch_size, 2))
    batch = Batch(
        inputs=torch.from_numpy(images),
        labels={f"task_{k}": labels_B for k, labels_B in enumerate(torch.from_numpy(labels_BK).unbind(1))},
        mask={f"task_{k}": mask_B for k, mask_B in enumerate(torch.ones(batch_size, num_tasks).unbind(1))},
        augmentation=Augmentation(torch.from_numpy(flip_B), torch.from_numpy(shift_B2)),
        uniforms_K=torch.from_numpy(generator.random(num_tasks, dtype=np.float32)),
        number=torch.tensor(0),
    )
    return tree_map(lambda tensor: tensor.to(device), batch)


def make_ours(
    made: Made,
    batch: Batch,
    gates: list[bool],
    compile: str = "off",
    method: AnyMethod | None = None,
    source: Sourcing = Sourcing(),  # noqa: B008 (it cannot be changed)
) -> Callable[[], object]:
    """Our training step of a network from `make_network` with the given gates, its state carried along.

    Args:
      method: what weighs the tasks; equal weights without one.
      source: where the method gets gradients from.
    """
    model, params, buffers = made
    method = method or equal()
    device = batch.inputs.device
    params, buffers = tree_map(lambda tensor: tensor.to(device), (params, buffers))
    optimizer, schedule = adamw(weight_decay=0.01), make_schedule("constant", 1e-3, 1, 0)
    state = init_state(model, params, buffers, optimizer, method)
    sourcing.check(source, method, gates_per_step=False)
    train_step = sourcing.make_sourced_step(
        model,
        method,
        source,
        params,
        buffers,
        tuple(batch.inputs.shape),
        lambda of: maybe_compile(
            make_train_step(model, optimizer, schedule, method, of, augment_and_normalize, donate=True), compile, device
        ),
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


def spread(found: dict[str, float]) -> str:
    """Median and quartiles in words."""
    return "{median:.3f} ({quartile_1:.3f} to {quartile_3:.3f})".format(**found)


def aligned(lines: list[list[str]]) -> str:
    """A table: the first line names the columns; the first column is aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
