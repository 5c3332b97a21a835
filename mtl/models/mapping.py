"""A function over slices along a leading axis, in turn or at once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten


def one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same as `vmap(function)`, one slice after the other.

    Unlike vmap's chunks of 1, whose pull-back pads each slice's gradient with zeros to the size of all of them.

    Example:
      >>> one_by_one(lambda values: {"sum": values["x"].sum()})({"x": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
      {'sum': tensor([3., 7.])}
    """

    def mapped(*stacked: dict[str, Tensor]) -> Any:
        leaves, spec = tree_flatten(stacked)
        slices = zip(*(leaf.unbind() for leaf in leaves), strict=True)
        results = [function(*tree_unflatten(list(values), spec)) for values in slices]
        return tree_map(lambda *values: torch.stack(values), *results)

    return mapped
