"""Mean and softmax over the open tasks, and states that stand still where a gate is shut. K tasks."""

from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

Tree = TypeVar("Tree")


def mean(values_K: Tensor, open_K: Tensor) -> Tensor:
    """Mean over the open tasks; 0 if there is none.

    Example:
      >>> mean(torch.tensor([1.0, 9.0, 3.0]), torch.tensor([True, False, True]))
      tensor(2.)
    """
    return torch.where(open_K, values_K, 0.0).sum() / open_K.sum().clamp(min=1)


def softmax(logits_K: Tensor, open_K: Tensor) -> Tensor:
    """Softmax over the open tasks, 0 at the others.

    Example:
      >>> softmax(torch.tensor([1.0, 9.0, 1.0]), torch.tensor([True, False, True]))
      tensor([0.5000, 0.0000, 0.5000])
    """
    return torch.where(open_K, torch.softmax(logits_K.masked_fill(~open_K, -torch.inf), dim=0), 0.0)


def hold(open_K: Tensor, new: Tree, old: Tree) -> Tree:
    """Takes `new` at the open tasks and `old`, bit for bit, at the others; every leaf is a [K] tensor.

    Example:
      >>> hold(torch.tensor([True, False]), {"seen": torch.tensor([5, 5])}, {"seen": torch.tensor([4, 4])})
      {'seen': tensor([5, 4])}
    """
    return tree_map(lambda a, b: torch.where(open_K, a, b), new, old)
