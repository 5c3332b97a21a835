"""What a balancing method is. Shape legend: K tasks, in the order of the model's."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from torch import Tensor

State = TypeVar("State")


class Method(NamedTuple, Generic[State]):
    """A balancing method as a pair of pure functions.

    Attributes:
      init: (K, device of the parameters) -> state: tensors in a tuple, NamedTuple or dictionary.
      update: (state, losses_K, open_K bool, learning_rate) -> (weights_K, state). Task t's gradients are multiplied by
        weights_K[t], at its head and at the features; a task whose gate is shut counts nowhere.
    """

    init: Callable[..., State]
    update: Callable[[State, Tensor, Tensor, Tensor], tuple[Tensor, State]]
