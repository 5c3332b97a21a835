"""The network of a run, on its device."""

from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.errors import UserError
from mtl.losses import binary
from mtl.models.architectures import architecture
from mtl.models.backbones import make_backbone
from mtl.models.heads import parse_taps
from mtl.models.model import Model, Params, make_model, separate
from mtl.models.precision import lay_out, make_in
from mtl.models.spread import spread
from mtl.training.settings import RunSettings
from mtl.world import ALONE, World


def make_networks(
    settings: RunSettings, tasks: tuple[str, ...], device: torch.device, precision: str, world: World = ALONE
) -> tuple[Model, Params, dict[str, Tensor]]:
    """One network with a head per task, or for `single_task` a network per task."""
    options, image_size = settings.model, settings.data.image_size
    taps = find_taps(settings, tasks)
    read = tuple(dict.fromkeys(taps.values()))
    made = options.backbone, read, options.weights, settings.seed, options.width, image_size
    trunk = make_backbone(*made, partial(spread, world=world, synchronized=settings.train.sync_batchnorm))
    kinds = dict.fromkeys(tasks, binary())
    model, params, buffers = make_model(trunk, kinds, taps, options.head, options.hidden, settings.seed + 1)
    if world.size > 1:
        model = model._replace(convolutions={})  # gradients kept as products cannot be summed over the processes
    params = params._replace(trunk=lay_out(params.trunk, device, precision))
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
