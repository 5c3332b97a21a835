"""What an optimizer is: (init, update) and a donating form of the update, as functions of dictionaries.

`update` never writes into what it was given. It knows no tasks, so that the heads use it under `vmap`, with a state
(its step count too) of each task's own. `update_donated` is the same update for a caller who gives up parameters and
state: torch's fused kernel reads and writes each number once, where it is.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.linalg import laid_out

Tensors = dict[str, Tensor]


class OptimizerState(NamedTuple):
    """`num_updates`: so far, int64 scalar. `moments`: moment -> parameter -> tensor of the parameter's shape."""

    num_updates: Tensor
    moments: dict[str, Tensors]


Update = Callable[[Tensors, OptimizerState, Tensors, Tensor], tuple[Tensors, OptimizerState]]


class Optimizer(NamedTuple):
    """How parameters are moved.

    Attributes:
      init: params -> state.
      update: (gradients, state, params, learning_rate) -> (params, state); writes into nothing.
      update_donated: the same up to rounding, but the result may lie where `params` and the state's moments lay: do not
        read these again. `update` itself in a graph of torch.compile, which fuses it, and on devices without a kernel.
    """

    init: Callable[[Tensors], OptimizerState]
    update: Update
    update_donated: Update


def has_kernel(scalar: Tensor) -> bool:
    """Whether torch's fused kernels run here: on the device of this scalar, and outside a graph of torch.compile.

    Example:
      >>> has_kernel(torch.tensor(0.1))
      True
    """
    return scalar.device.type in ("cpu", "cuda") and not torch.compiler.is_compiling()


def lists_for_kernel(gradients: Tensors, params: Tensors, state: OptimizerState, *moments: str) -> list[list[Tensor]]:
    """Parameters, gradients and moments as the fused kernels take them: in one order, and that of memory.

    A kernel walks over memory, and first copies what is not laid out in the order of its dimensions.

    Example:
      >>> params = {"kernel": torch.zeros(8, 4, 3, 3).contiguous(memory_format=torch.channels_last)}
      >>> [values.shape for (values,) in lists_for_kernel(params, params, OptimizerState(torch.tensor(0), {}))]
      [torch.Size([8, 3, 3, 4]), torch.Size([8, 3, 3, 4])]
    """
    slopes = {name: laid_out(value, params[name]) for name, value in gradients.items()}
    orders = {name: sorted(range(value.dim()), key=value.stride, reverse=True) for name, value in params.items()}
    trees = (params, slopes, *(state.moments[moment] for moment in moments))
    lists = [[tree[name].permute(order) for name, order in orders.items()] for tree in trees]
    assert all(value.is_contiguous() for each in lists for value in each), "moments are laid out like their parameter"
    return lists


def zeros(params: Tensors) -> Tensors:
    """A moment before the first update.

    Example:
      >>> zeros({"w": torch.ones(2)})
      {'w': tensor([0., 0.])}
    """
    return {name: torch.zeros_like(value) for name, value in params.items()}


def zero_count(params: Tensors) -> Tensor:
    """No updates so far, on the parameters' device.

    Example:
      >>> zero_count({"w": torch.ones(2)})
      tensor(0)
    """
    device = next((value.device for value in params.values()), None)  # there are none where all are frozen
    return torch.zeros((), dtype=torch.int64, device=device)
