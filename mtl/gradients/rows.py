"""Gradients of several tasks as rows of one matrix, each number written once.

A row holds a tree of parameters, one after the other; of a kernel [O, C, H, W] its channels come last, as they lie in
memory on a CPU. So a row is the same on every device, and is made without a transposition where convolutions are
fastest.
"""

import torch
from torch import Tensor

from mtl.linalg import laid_out
from mtl.models.probes import Tensors

LAST = (0, 2, 3, 1)  # of a kernel's dimensions, in a row


def num_coordinates(tree: Tensors) -> int:
    """N: how long the tree's row is.

    Example:
      >>> num_coordinates({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)})
      8
    """
    return sum(value.numel() for value in tree.values())


def to_rows(trees: Tensors) -> Tensor:
    """name -> [A, ...] becomes [A, N].

    Example:
      >>> to_rows({"weight": torch.tensor([[[1.0, 2.0]]]), "bias": torch.tensor([[3.0]])})
      tensor([[1., 2., 3.]])
    """
    return torch.cat([_in_order(value, 1).flatten(1) for value in trees.values()], dim=1)


def write_row(row_N: Tensor, tree: Tensors) -> None:
    """Writes a tree into a row.

    Example:
      >>> row = torch.zeros(3)
      >>> write_row(row, {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])})
      >>> row
      tensor([1., 2., 3.])
    """
    for part, value in zip(row_N.split([value.numel() for value in tree.values()]), tree.values(), strict=True):
        ordered = _in_order(value, 0)
        part.view(ordered.shape).copy_(ordered)


def from_row(row_N: Tensor, like: Tensors) -> Tensors:
    """[N] becomes name -> tensor, in the shapes and layouts of `like`.

    Example:
      >>> from_row(torch.tensor([1.0, 2.0, 3.0]), {"weight": torch.zeros(1, 2), "bias": torch.zeros(1)})
      {'weight': tensor([[1., 2.]]), 'bias': tensor([3.])}
    """
    tree = {}
    parts = row_N.split([value.numel() for value in like.values()])
    for (name, value), part in zip(like.items(), parts, strict=True):
        ordered = part.view(_in_order(value, 0).shape)
        # As the parameter lies, or its moments would lie otherwise, and torch.compile start again.
        tree[name] = laid_out(ordered.permute(0, 3, 1, 2) if value.dim() == len(LAST) else ordered, value)
    return tree


def _in_order(value: Tensor, first: int) -> Tensor:
    """A parameter, from dimension `first` on, with its dimensions as a row has them."""
    if value.dim() - first != len(LAST):
        return value
    return value.permute(*range(first), *(first + axis for axis in LAST))
