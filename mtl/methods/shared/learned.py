"""Parameters that a method learns, one for each task, each moved by an Adam of its own. K tasks."""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.shared import masked
from mtl.optim import OptimizerState, adamw

_adam = adamw(weight_decay=0.0)


class Learned(NamedTuple):
    """`values_K`: the parameters; `optimizer`: Adam's state, every leaf [K], its count of updates too."""

    values_K: Tensor
    optimizer: OptimizerState


def init(num_tasks: int, device: torch.device, value: float = 0.0) -> Learned:
    """All parameters at `value`.

    Example:
      >>> init(2, torch.device("cpu"), value=0.5).values_K
      tensor([0.5000, 0.5000])
    """
    values_K = torch.full((num_tasks,), value, device=device)
    num_updates_K = torch.zeros(num_tasks, dtype=torch.int64, device=device)
    return Learned(values_K, _adam.init({"values": values_K})._replace(num_updates=num_updates_K))


def update(learned: Learned, gradient_K: Tensor, open_K: Tensor, learning_rate: Tensor) -> Learned:
    """One step of Adam for the open tasks; the others stand still, their moments and counts too.

    Adam acts on each element alone, so a count of each task's own is all that makes it K optimizers.

    Example:
      >>> learned = init(2, torch.device("cpu"))
      >>> update(learned, torch.tensor([3.0, 3.0]), torch.tensor([True, False]), torch.tensor(0.1)).values_K
      tensor([-0.1000,  0.0000])
    """
    moved, optimizer = _adam.update(
        {"values": gradient_K}, learned.optimizer, {"values": learned.values_K}, learning_rate
    )
    return masked.hold(open_K, Learned(moved["values"], optimizer), learned)
