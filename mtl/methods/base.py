"""What a balancing method is. Shape legend: K tasks, in the order of the model's; N coordinates of a gradient."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from mtl.errors import UserError

State = TypeVar("State")
Values = Tensor | Sequence[float]
Matrix = Tensor | Sequence[Sequence[float]]
Look = Literal["losses", "gramian", "halves", "gradients"]


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
        method looks at them. Papers want two independent samples. The halves' images are, but both went through the
        trunk in one batch and share BatchNorm's mean and variance, which ties their gradients.
      gradients_KN: float, the tasks' gradients, 0 at closed tasks; None unless the method looks at them.
    """

    losses_K: Tensor
    gramian_KK: Tensor | None
    open_K: Tensor
    uniforms_K: Tensor
    learning_rate: Tensor
    epoch_step: Tensor
    halves_KK: Tensor | None = None
    gradients_KN: Tensor | None = None


HeadWeights = Callable[[Any, Observation, Tensor], Tensor]


def as_the_trunk(state: Any, observation: Observation, weights_K: Tensor) -> Tensor:
    """Heads are weighted like the shared gradients: the method minimises a weighted loss.

    Example:
      >>> as_the_trunk((), observe(losses=[1.0, 2.0]), torch.tensor([0.25, 0.75]))
      tensor([0.2500, 0.7500])
    """
    return weights_K


def unweighted(state: Any, observation: Observation, weights_K: Tensor) -> Tensor:
    """Heads take their own loss's gradient: the method only combines the shared gradients.

    Example:
      >>> unweighted((), observe(losses=[1.0, 2.0]), torch.tensor([0.25, 0.75]))
      tensor([1., 1.])
    """
    return torch.ones_like(weights_K)


def as_they_are(state: Any, observation: Observation) -> Tensor:
    """The weights multiply the tasks' gradients themselves.

    Example:
      >>> as_they_are((), observe(gradients=[[1.0, 0.0], [3.0, 4.0]]))
      tensor([[1., 0.],
              [3., 4.]])
    """
    return known_gradients(observation)


class Method(NamedTuple, Generic[State]):
    """A balancing method as a pair of pure functions, and what they need.

    Attributes:
      init: (K, device) -> state: tensors in a tuple, NamedTuple or dictionary. With N as a third argument if the method
        looks at the gradients; see `first_state`.
      update: (state, observation) -> (weights_K, state). The shared direction is sum_t w_t g_t over the open tasks.
      head_weights: (the state before, observation, weights_K) -> [K], what heads' gradients are multiplied by.
      looks_at: what of an observation it reads, beside gates, uniforms, learning rate and the step's number. Only that
        has to be there; the halves and the gradients are measured for those methods alone.
      gradients: (the new state, observation) -> [K, N], what takes the place of the g_t in the shared direction. Only
        for a method that looks at the gradients, and changes them.
      at_features: whether gradients at the features serve, which each step's own images have; not where they are kept.
      needs_positive_losses: whether its rule holds for positive losses alone. A step shows it losses of at least 1e-12.
      after: (state, observation, losses of the same batch after the step [K]) -> state: another forward pass.
    """

    init: Callable[..., State]
    update: Callable[[State, Observation], tuple[Tensor, State]]
    head_weights: HeadWeights = as_the_trunk
    looks_at: tuple[Look, ...] = ("losses",)
    gradients: Callable[[State, Observation], Tensor] = as_they_are
    at_features: bool = True
    needs_positive_losses: bool = False
    after: Callable[[State, Observation, Tensor], State] | None = None


AnyMethod = Method[Any]


def no_state(num_tasks: int, device: torch.device, num_coordinates: int = 0) -> tuple[()]:
    """The `init` of a method that remembers nothing.

    Example:
      >>> no_state(2, torch.device("cpu"))
      ()
    """
    return ()


def first_state(method: Method[State], num_tasks: int, device: torch.device, num_coordinates: int) -> State:
    """The method's state before the first step, on the device.

    Example:
      >>> from mtl.methods.random_weighting import random_weighting
      >>> first_state(random_weighting(), 2, torch.device("cpu"), num_coordinates=0)
      ()
    """
    if "gradients" in method.looks_at:
        return method.init(num_tasks, device, num_coordinates)
    return method.init(num_tasks, device)


def balance(method: Method[State], state: State, observation: Observation) -> tuple[Tensor, Tensor, State]:
    """One update of the method.

    Returns:
      (weights_K, what the shared gradient is made of, the new state): the weights again, or for a method that looks at
      the gradients their weighted sum [N].

    Example:
      >>> from mtl.methods.mgda import mgda
      >>> balance(mgda(), (), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))[0]
      tensor([0.2000, 0.8000])
    """
    weights_K, state = method.update(state, observation)
    if "gradients" in method.looks_at:
        return weights_K, weights_K @ method.gradients(state, observation), state
    return weights_K, weights_K, state


def known_gradients(observation: Observation) -> Tensor:
    """`Observation.gradients_KN`, which a method that looks at gradients needs.

    Example:
      >>> known_gradients(observe(gradients=[[3.0], [4.0]])).tolist()
      [[3.0], [4.0]]
    """
    return _known(observation.gradients_KN, "gradients_KN", "the tasks' gradients")


def known_gramian(observation: Observation) -> Tensor:
    """`Observation.gramian_KK`, which a method that looks at the Gramian needs.

    Example:
      >>> known_gramian(observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[4., 0.],
              [0., 1.]])
    """
    return _known(observation.gramian_KK, "gramian_KK", "inner products of the tasks' gradients")


def known_halves(observation: Observation) -> Tensor:
    """`Observation.halves_KK`, which a method that looks at two halves of the batch needs.

    Example:
      >>> known_halves(observe(halves=[[4.0, 0.0], [1.0, 1.0]]))
      tensor([[4., 0.],
              [1., 1.]])
    """
    return _known(observation.halves_KK, "halves_KK", "inner products of gradients on two halves of the batch")


def _known(value: Tensor | None, field: str, meaning: str) -> Tensor:
    if value is None:
        raise UserError(f"the balancing method looks at {meaning}, and this observation has none: give {field}")
    return value


def observe(
    losses: Values | None = None,
    gramian: Matrix | None = None,
    *,
    halves: Matrix | None = None,
    gradients: Matrix | None = None,
    is_open: Tensor | Sequence[bool] | None = None,
    uniforms: Values | None = None,
    learning_rate: float = 1e-3,
    epoch_step: int = 0,
) -> Observation:
    """An observation of what is known, for a loop of one's own: tensors, which keep type and device, or numbers.

    Args:
      losses: [K]; 1 where they are not known, which only a method that does not look at them should be shown.
      gramian: [K, K]; of the gradients, where these are given and it is not.
      halves, gradients: [K, K] and [K, N], for methods that look at them.
      is_open: bool [K]; all gates are open without it.
      uniforms: [K] in [0, 1), to be drawn anew in each step for a method that draws; 1/2 without them.
      learning_rate, epoch_step: the network's, and the step's number within its epoch.

    Raises:
      UserError: if nothing is given that tells how many tasks there are.

    Example:
      >>> observation = observe(losses=[0.5, 2.0], gradients=[[1.0, 0.0], [3.0, 4.0]])
      >>> observation.gramian_KK
      tensor([[ 1.,  3.],
              [ 3., 25.]])
      >>> observation.open_K
      tensor([True, True])
    """
    gradients_KN = None if gradients is None else torch.as_tensor(gradients)
    given = [torch.as_tensor(value) for value in (losses, gramian, halves, gradients_KN) if value is not None]
    if not given:
        raise UserError("an observation needs losses, a Gramian or gradients: give at least one of them")
    like_K = given[0].reshape(len(given[0]), -1)[:, 0].detach()
    gramian_KK = None if gradients_KN is None else gradients_KN @ gradients_KN.T
    return Observation(
        losses_K=torch.ones_like(like_K) if losses is None else torch.as_tensor(losses),
        gramian_KK=gramian_KK if gramian is None else torch.as_tensor(gramian),
        open_K=torch.as_tensor([True] * len(like_K) if is_open is None else is_open, device=like_K.device),
        uniforms_K=torch.full_like(like_K, 0.5) if uniforms is None else torch.as_tensor(uniforms),
        learning_rate=like_K.new_tensor(learning_rate),
        epoch_step=torch.tensor(epoch_step, device=like_K.device),
        halves_KK=None if halves is None else torch.as_tensor(halves),
        gradients_KN=gradients_KN,
    )


def try_out(method: Method[Any], *observations: Observation) -> Tensor:
    """The weights in a few steps from the method's first state, [T, K]: to see what it does, as in the examples.

    Example:
      >>> from mtl.methods.mgda import mgda
      >>> try_out(mgda(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2000, 0.8000]])
    """
    losses_K, gradients_KN = observations[0].losses_K, observations[0].gradients_KN
    num_coordinates = 0 if gradients_KN is None else gradients_KN.shape[1]
    state, weights = first_state(method, len(losses_K), losses_K.device, num_coordinates), []
    for observation in observations:
        weights_K, state = method.update(state, observation)
        weights.append(weights_K)
    return torch.stack(weights)
