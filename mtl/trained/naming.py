"""The names of a network's tensors in model.safetensors, and in the `state_dict` of its module.

  trunk.<name>            parameters and buffers of the trunk, <name> being torchvision's
  heads.<task>.<name>     "weight" and "bias" of a linear head, "0.weight" to "2.bias" of an mlp

A network per task has the same names; its trunk's tensors then have a leading axis of tasks.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mtl.models.model import Model, Params
from mtl.models.probes import Tensors

TRUNK = "trunk."


def named_parameters(model: Model, params: Params) -> dict[str, Tensor]:
    """Name in the file -> parameter; the heads' are slices of the stacked ones.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> from mtl.models.model import make_model
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, _ = make_model(trunk, {"smile": binary(), "hat": binary()})
      >>> {name: tuple(value.shape) for name, value in named_parameters(model, params).items() if "weight" in name}
      {'trunk.weight': (8, 20), 'heads.smile.weight': (1, 8), 'heads.hat.weight': (1, 8)}
    """
    heads = {
        head_name(task, name): stacked[index]
        for group_name, group in model.groups.items()
        for index, task in enumerate(group.tasks)
        for name, stacked in params.heads[group_name].items()
    }
    return named_buffers(params.trunk) | heads


def named_buffers(buffers: Tensors) -> dict[str, Tensor]:
    """Name in the file -> tensor of the trunk.

    Example:
      >>> named_buffers({"bn1.running_mean": torch.zeros(2)})
      {'trunk.bn1.running_mean': tensor([0., 0.])}
    """
    return {TRUNK + name: value for name, value in buffers.items()}


def unnamed(
    model: Model,
    of_heads: Mapping[str, Iterable[str]],
    parameters: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
) -> tuple[Params, Tensors]:
    """Parameters and buffers as the network takes them, from those that `named_...` named; differentiable.

    Args:
      of_heads: group -> the names of a head's tensors, as `Params.heads` has them.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> from mtl.models.model import make_model
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, _ = make_model(trunk, {"smile": binary(), "hat": binary()})
      >>> again, _ = unnamed(model, params.heads, named_parameters(model, params), {})
      >>> torch.equal(again.heads["output"]["weight"], params.heads["output"]["weight"])
      True
    """
    heads = {
        group_name: {
            name: torch.stack([parameters[head_name(task, name)] for task in model.groups[group_name].tasks])
            for name in names
        }
        for group_name, names in of_heads.items()
    }
    return Params(_of_trunk(parameters), heads), _of_trunk(buffers)


def _of_trunk(tensors: Mapping[str, Tensor]) -> Tensors:
    return {name.removeprefix(TRUNK): value for name, value in tensors.items() if name.startswith(TRUNK)}


def head_name(task: str, name: str) -> str:
    """The name in the file of a tensor of a task's head.

    Example:
      >>> head_name("smile", "weight")
      'heads.smile.weight'
    """
    return f"heads.{task}.{name}"
