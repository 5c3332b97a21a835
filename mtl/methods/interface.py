"""What a balancing method is. Shape legend: K tasks, in the order of the model's."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")


class Observation(NamedTuple):
    """What a method may look at in a step. Tasks whose gate is shut count nowhere, as if they were not there.

    Attributes:
      losses_K: float, each task's mean loss of the batch, positive.
      gramian_KK: float, M_ij = <g_i, g_j>, inner products of the tasks' gradients.
      open_K: bool, the task's gate is open; at least one is.
      uniforms_K: float in [0, 1), drawn anew in each step: the only randomness there is.
      learning_rate: float scalar, the network's in this step.
      epoch_step: int64 scalar, the step's number within its epoch, from 0.
    """

    losses_K: Tensor
    gramian_KK: Tensor
    open_K: Tensor
    uniforms_K: Tensor
    learning_rate: Tensor
    epoch_step: Tensor


class Method(NamedTuple, Generic[State]):
    """A balancing method as a pair of pure functions.

    Attributes:
      init: (K, device) -> state: tensors in a tuple, NamedTuple or dictionary.
      update: (state, observation) -> (weights_K, state). The shared direction is sum_t w_t g_t over the open tasks.
      weighs_heads: whether a head's gradient is multiplied by its task's weight too (methods that minimise a weighted
        loss), or stays the task's own (methods that only combine the shared gradients).
    """

    init: Callable[[int, torch.device], State]
    update: Callable[[State, Observation], tuple[Tensor, State]]
    weighs_heads: bool = True
