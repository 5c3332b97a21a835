"""Our training step, laid out as a run lays it out, on a batch of random numbers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.batch import Batch
from mtl.bench.timing import Step
from mtl.gradients.sources import Source
from mtl.losses import Task, binary
from mtl.methods import make_method
from mtl.models.architectures import architecture
from mtl.models.backbones import make_backbone
from mtl.models.images import Augmentation, augment_and_normalize
from mtl.models.model import Model, Params, make_model
from mtl.models.precision import lay_out
from mtl.optim import adamw, make_schedule
from mtl.training import sourcing
from mtl.training.compile import maybe_compile
from mtl.training.sourcing import Sourcing
from mtl.training.step import Metrics, init_state, make_train_step

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.01
MAX_SHIFT = 4  # pixels
Made = tuple[Model, Params, dict[str, Tensor]]


class Case(NamedTuple):
    """What a step trains: a network with K linear heads on B images of S x S pixels."""

    backbone: str = "resnet18"
    num_tasks: int = 8
    batch_size: int = 32
    image_size: int = 64


def make_batch(case: Case, device: torch.device) -> Batch:
    """Random pixels and labels; their values do not matter to the time.

    Example:
      >>> make_batch(Case(num_tasks=2, batch_size=4, image_size=8), torch.device("cpu")).inputs.shape
      torch.Size([4, 3, 8, 8])
    """
    generator = np.random.default_rng(0)
    num_images, num_tasks = case.batch_size, case.num_tasks
    images = generator.integers(0, 256, (num_images, 3, case.image_size, case.image_size), dtype=np.uint8)
    labels_BK = generator.integers(0, 2, (num_images, num_tasks)).astype(np.float32)
    flip_B = generator.random(num_images) < 0.5
    shift_B2 = generator.integers(-MAX_SHIFT, MAX_SHIFT, (num_images, 2), endpoint=True)
    batch = Batch(
        inputs=torch.from_numpy(images),
        labels={f"task_{k}": labels_B for k, labels_B in enumerate(torch.from_numpy(labels_BK).unbind(1))},
        mask={f"task_{k}": mask_B for k, mask_B in enumerate(torch.ones(num_images, num_tasks).unbind(1))},
        augmentation=Augmentation(torch.from_numpy(flip_B), torch.from_numpy(shift_B2)),
        uniforms_K=torch.from_numpy(generator.random(num_tasks, dtype=np.float32)),
        number=torch.tensor(0),
    )
    return tree_map(lambda tensor: tensor.to(device), batch)


def make_network(case: Case, device: torch.device, make_task: Callable[[str], Task] = lambda task: binary()) -> Made:
    """(model, parameters, buffers) as a run begins with them.

    Args:
      make_task: name -> what the task is.

    Example:
      >>> model, _, _ = make_network(Case(num_tasks=2), torch.device("cpu"))
      >>> model.tasks
      ('task_0', 'task_1')
    """
    stages = architecture(case.backbone, case.image_size).stages
    trunk = make_backbone(case.backbone, (list(stages)[-1],), "", seed=0, image_size=case.image_size)
    model, params, buffers = make_model(
        trunk, {task: make_task(task) for task in map("task_{}".format, range(case.num_tasks))}
    )
    params = params._replace(trunk=lay_out(params.trunk, device, "float32"))
    return model, *tree_map(lambda tensor: tensor.to(device), (params, buffers))


def make_ours(
    case: Case,
    device: torch.device,
    method_name: str = "joint",
    source: Sourcing = Sourcing(),  # noqa: B008 (it cannot be changed)
    half: bool = False,
) -> Step:
    """A training step as a run makes it: kernels laid out, compiled where that pays, parameters given up to the step.

    Args:
      method_name: the balancing method, with its default options.
      source: where it gets gradients from.
      half: every other task is dropped, as DST drops tasks.
    """
    batch = make_batch(case, device)
    train = make_trainer(make_network(case, device), tuple(batch.inputs.shape), method_name, source, half)
    return lambda: train(batch)


def make_trainer(
    made: Made,
    inputs_shape: tuple[int, ...],
    method_name: str = "joint",
    source: Sourcing = Sourcing(),  # noqa: B008 (it cannot be changed)
    half: bool = False,
) -> Callable[[Batch], Metrics]:
    """The same of any batch of that shape; the state is carried along."""
    model, params, buffers = made
    device = next(iter(params.trunk.values())).device
    method = make_method(method_name, {})
    optimizer, schedule = adamw(weight_decay=WEIGHT_DECAY), make_schedule("constant", LEARNING_RATE, 1, 0)
    state = init_state(model, params, buffers, optimizer, method)
    sourcing.check(source, method, gates_per_step=False)

    def make_step(of: Source) -> sourcing.Step:
        step = make_train_step(model, optimizer, schedule, method, of, augment_and_normalize, donate=True)
        return maybe_compile(step, "auto", device)

    train_step = sourcing.make_sourced_step(model, method, source, params, buffers, inputs_shape, make_step)
    on = [not half or k % 2 == 0 for k in range(len(model.tasks))]
    gates = {task: torch.tensor(gate, device=device) for task, gate in zip(model.tasks, on, strict=True)}
    number = 0

    def train(batch: Batch) -> Metrics:
        nonlocal state, number
        state, metrics = train_step(state, batch, gates, sum(on), number)
        number += 1
        return metrics

    return train
