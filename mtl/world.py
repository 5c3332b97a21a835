"""The processes that train one run together, as a value: pure code sums, gathers and asks through it.

Every process holds the same parameters, and of each batch every `size`-th row from its rank on. So the first rows of
all processes are the first rows of the whole batch, and likewise its halves.
Shape legend: B rows of the whole batch, b of one process.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class World(NamedTuple):
    """What one process sees of all. Every process must call the same functions in the same order.

    Attributes:
      rank: which process it is, from 0; the first one writes what the run leaves behind.
      size: how many there are.
      rows: those of a whole batch that are this process's.
      sum: tensors -> each one's sum over the processes, all in one message.
      gather: (tensor, dimension of b) -> the whole batch's, with B there, in its order.
      broadcast: a tree of tensors -> that of the first process.
      tell: a value that can be pickled -> that of the first process.
    """

    rank: int
    size: int
    rows: slice
    sum: Callable[[Sequence[Tensor]], list[Tensor]]
    gather: Callable[[Tensor, int], Tensor]
    broadcast: Callable[[Any], Any]
    tell: Callable[[Any], Any]


def _itself(value: Any) -> Any:
    return value


def _whole(value: Tensor, dim: int) -> Tensor:
    return value


ALONE = World(0, 1, slice(None), list, _whole, _itself, _itself)


def sum_tree(world: World, tree: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor's sum over the processes, name -> tensor.

    Example:
      >>> import torch
      >>> sum_tree(ALONE, {"weight": torch.ones(2)})
      {'weight': tensor([1., 1.])}
    """
    return dict(zip(tree, world.sum(list(tree.values())), strict=True)) if tree else {}
