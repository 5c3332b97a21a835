"""What a balancing method is. Shape legend: K tasks, in the order of the model's; N coordinates of a gradient."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")


class Observation(NamedTuple):
    """What a method may look at in a step. Tasks whose gate is shut count nowhere, as if they were not there.

    Attributes:
      losses_K: float, each task's mean loss of the batch.
      gramian_KK: float, M_ij = <g_i, g_j>, inner products of the tasks' gradients.
      open_K: bool, the task's gate is open; at least one is.
      uniforms_K: float in [0, 1), drawn anew in each step: the only randomness there is.
      learning_rate: float scalar, the network's in this step.
      epoch_step: int64 scalar, the step's number within its epoch, from 0.
      halves_KK: float, <g_i, g'_j> of gradients on the batch's first half with gradients on its second; None unless the
        method asks for them (`Method.needs_halves`). Papers want two independent samples. The halves' images are, but
        both went through the trunk in one batch and share BatchNorm's mean and variance, which ties their gradients.
    """

    losses_K: Tensor
    gramian_KK: Tensor
    open_K: Tensor
    uniforms_K: Tensor
    learning_rate: Tensor
    epoch_step: Tensor
    halves_KK: Tensor | None = None


HeadWeights = Callable[[Any, Observation, Tensor], Tensor]


def as_the_trunk(state: Any, observation: Observation, weights_K: Tensor) -> Tensor:
    """Heads are weighted like the shared gradients: the method minimises a weighted loss."""
    return weights_K


def unweighted(state: Any, observation: Observation, weights_K: Tensor) -> Tensor:
    """Heads take their own loss's gradient: the method only combines the shared gradients."""
    return torch.ones_like(weights_K)


class Method(NamedTuple, Generic[State]):
    """A balancing method as a pair of pure functions.

    Attributes:
      init: (K, device) -> state: tensors in a tuple, NamedTuple or dictionary.
      update: (state, observation) -> (weights_K, state). The shared direction is sum_t w_t g_t over the open tasks.
      head_weights: (the state before, observation, weights_K) -> [K], what heads' gradients are multiplied by.
      needs_halves: whether it looks at `Observation.halves_KK`.
      needs_positive_losses: whether its rule holds for positive losses alone, since it divides by them, takes their
        logarithm or learns where they rest. `mtl.gradients.direction` shows it losses of at least 1e-12.
    """

    init: Callable[[int, torch.device], State]
    update: Callable[[State, Observation], tuple[Tensor, State]]
    head_weights: HeadWeights = as_the_trunk
    needs_halves: bool = False
    needs_positive_losses: bool = False


class GradientMethod(NamedTuple, Generic[State]):
    """A balancing method that looks at the gradients themselves, not only at their inner products.

    Attributes:
      init: (K, N, device) -> state.
      update: (state, observation, gradients_KN) -> (weights_K, gradients_KN, state). Rows of closed tasks are 0. The
        shared direction is sum_t w_t g_t over the open tasks, of the gradients that it returns.
      head_weights: as `Method`'s.
      at_features: whether it can be applied to gradients at the features, whose coordinates are another batch's images
        in each step. Otherwise it takes gradients at the parameters.
      needs_positive_losses: as `Method`'s.
    """

    init: Callable[[int, int, torch.device], State]
    update: Callable[[State, Observation, Tensor], tuple[Tensor, Tensor, State]]
    head_weights: HeadWeights = unweighted
    at_features: bool = False
    needs_positive_losses: bool = False


AnyMethod = Method[Any] | GradientMethod[Any]
