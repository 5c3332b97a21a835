"""The network of a run, on its device."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.errors import UserError
from mtl.losses import Task
from mtl.models.architectures import architecture
from mtl.models.backbones import make_backbone
from mtl.models.heads import parse_taps
from mtl.models.model import Model, Params, make_model, separate
from mtl.models.precision import lay_out, make_in
from mtl.models.spread import spread
from mtl.models.weights import Weights
from mtl.training.head_init import Biases, begin_heads
from mtl.training.settings import RunSettings
from mtl.training.starting import fill_heads, in_words
from mtl.world import ALONE, World


def make_networks(
    settings: RunSettings,
    tasks: Mapping[str, Task],
    device: torch.device,
    weights: Weights | None,
    base_biases: Biases,
    precision: str,
    world: World = ALONE,
    says: bool = False,
) -> tuple[Model, Params, dict[str, Tensor]]:
    """One network with a head per task, or for `single_task` a network per task.

    Args:
      tasks: name -> what the task is, as `mtl.training.tasks` makes it.
      weights: what it begins with, None for random numbers.
      base_biases: see `head_init.find_base_biases`.
      says: prints what of them was taken.
    """
    options, image_size = settings.model, settings.data.image_size
    taps = find_taps(settings, tuple(tasks))
    read = tuple(dict.fromkeys(taps.values()))
    made = options.backbone, read, weights or "", settings.seed, options.width, image_size
    synchronized = settings.train.sync_batchnorm
    trunk = make_backbone(*made, partial(spread, world=world, synchronized=synchronized), settings.train.freeze)
    model, params, buffers = make_model(trunk, tasks, taps, options.head, options.hidden, settings.seed + 1)
    params = params._replace(heads=begin_heads(options.head_init, model.groups, params.heads, base_biases))
    if weights is not None:
        heads, taken = fill_heads(model, params.heads, weights) if options.reuse_heads else (params.heads, ())
        params = params._replace(heads=heads)
        if says:
            print(in_words(weights, trunk.params | trunk.buffers, tuple(tasks), taken), flush=True)
    if world.size > 1:
        model = model._replace(convolutions={})  # gradients kept as products cannot be summed over the processes
    params = params._replace(trunk=lay_out(params.trunk, device, precision))
    buffers = lay_out(buffers, device, precision)  # frozen kernels are among them
    model = make_in(precision, model)
    if settings.method == "single_task":
        # On a CPU a batched convolution of K networks is slower than K convolutions (benchmarks/single_task.py).
        model, params, buffers = separate(model, params, buffers, at_once=device.type != "cpu")
    return model, *tree_map(lambda tensor: tensor.to(device), (params, buffers))


def find_taps(settings: RunSettings, tasks: tuple[str, ...]) -> dict[str, str]:
    """Task -> the stage of the trunk that it reads."""
    stages = architecture(settings.model.backbone, settings.data.image_size).stages
    return parse_taps(settings.model.taps, tasks, deepest=list(stages)[-1])


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one.

    Raises:
      UserError: for a name that torch does not know, or a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device is {name!r}, which torch cannot use here; try auto or cpu", "device") from error
