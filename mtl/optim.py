"""Functional optimizers, each a pair (init, update), and learning-rate schedules.

An update never writes into what it was given. It acts on a dictionary of parameters and knows no tasks, so that the
heads use the same pair under `vmap`, with a state (its step count too) of each task's own.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.errors import check_choice

Tensors = dict[str, Tensor]
Schedule = Callable[[Tensor], Tensor]
OPTIMIZERS, SCHEDULES = ("adamw", "sgd"), ("cosine", "constant")


class OptimizerState(NamedTuple):
    """`num_updates`: so far, int64 scalar. `moments`: moment -> parameter -> tensor of the parameter's shape."""

    num_updates: Tensor
    moments: dict[str, Tensors]


class Optimizer(NamedTuple):
    """init(params) -> state; update(gradients, state, params, learning_rate) -> (params, state)."""

    init: Callable[[Tensors], OptimizerState]
    update: Callable[[Tensors, OptimizerState, Tensors, Tensor], tuple[Tensors, OptimizerState]]


def sgd(momentum: float = 0.9, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent with momentum (Polyak 1964), as `torch.optim.SGD` without dampening.

    g <- g + weight_decay p,  m <- momentum m + g,  p <- p - learning_rate m

    Args:
      momentum: in [0, 1).
      weight_decay: L2 coefficient.

    Example:
      >>> optimizer, params = sgd(), {"w": torch.tensor([1.0])}
      >>> moved, state = optimizer.update({"w": torch.tensor([2.0])}, optimizer.init(params), params, torch.tensor(0.1))
      >>> moved
      {'w': tensor([0.8000])}
    """

    def init(params: Tensors) -> OptimizerState:
        return OptimizerState(_zero_count(params), {"momentum": _zeros(params)})

    def update(
        gradients: Tensors, state: OptimizerState, params: Tensors, learning_rate: Tensor
    ) -> tuple[Tensors, OptimizerState]:
        moved = {
            name: torch.add(gradient, params[name], alpha=weight_decay) + momentum * state.moments["momentum"][name]
            for name, gradient in gradients.items()
        }
        new_params = {name: value - learning_rate * moved[name] for name, value in params.items()}
        return new_params, OptimizerState(state.num_updates + 1, {"momentum": moved})

    return Optimizer(init, update)


def adamw(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.01) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), as `torch.optim.AdamW`.

    m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
    p <- (1 - learning_rate weight_decay) p
         - learning_rate (m / (1 - beta1^n)) / (sqrt(v / (1 - beta2^n)) + epsilon),  n the number of updates

    Args:
      beta1, beta2: decay of the moments, in [0, 1).
      epsilon: added to the root of the second moment.
      weight_decay: decoupled coefficient.

    Example:
      >>> optimizer, params = adamw(weight_decay=0.0), {"w": torch.tensor([1.0])}
      >>> moved, state = optimizer.update({"w": torch.tensor([2.0])}, optimizer.init(params), params, torch.tensor(0.1))
      >>> moved  # the first step is as long as the learning rate
      {'w': tensor([0.9000])}
    """

    def init(params: Tensors) -> OptimizerState:
        return OptimizerState(_zero_count(params), {"first": _zeros(params), "second": _zeros(params)})

    def update(
        gradients: Tensors, state: OptimizerState, params: Tensors, learning_rate: Tensor
    ) -> tuple[Tensors, OptimizerState]:
        num_updates = state.num_updates + 1
        correction1 = 1.0 - torch.pow(beta1, num_updates.to(torch.float64))
        root2 = torch.sqrt(1.0 - torch.pow(beta2, num_updates.to(torch.float64)))
        step_size = learning_rate * root2 / correction1
        shrink = 1.0 - learning_rate * weight_decay
        moved = {
            name: _adamw_one(
                gradient,
                state.moments["first"][name],
                state.moments["second"][name],
                params[name],
                *(scalar.to(gradient.dtype) for scalar in (step_size, epsilon * root2, shrink)),
            )
            for name, gradient in gradients.items()
        }
        first, second, new_params = ({name: each[i] for name, each in moved.items()} for i in range(3))
        return new_params, OptimizerState(num_updates, {"first": first, "second": second})

    def _adamw_one(
        gradient: Tensor,
        first: Tensor,
        second: Tensor,
        param: Tensor,
        step_size: Tensor,
        epsilon: Tensor,
        shrink: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # One parameter after the other, and in place on what was made here: half the time of whole-tree expressions
        # on a CPU, where the optimizer is bound by memory.
        new_first = torch.lerp(first, gradient, 1.0 - beta1)
        new_second = torch.square(gradient).mul_(1.0 - beta2).add_(second, alpha=beta2)
        change = torch.sqrt(new_second).add_(epsilon).reciprocal_().mul_(new_first).mul_(step_size)
        return new_first, new_second, torch.mul(param, shrink).sub_(change)

    return Optimizer(init, update)


def make_optimizer(name: str, momentum: float, weight_decay: float) -> Optimizer:
    """Makes "adamw" or "sgd"; `momentum` is SGD's.

    Example:
      >>> list(make_optimizer("adamw", 0.9, 0.01).init({"w": torch.zeros(2)}).moments)
      ['first', 'second']
    """
    check_choice("optimizer", name, OPTIMIZERS)
    return adamw(weight_decay=weight_decay) if name == "adamw" else sgd(momentum=momentum, weight_decay=weight_decay)


def make_schedule(name: str, peak: float, num_steps: int, num_warmup_steps: int) -> Schedule:
    """Makes a schedule: step (int64 scalar, from 0) -> learning rate (float32 scalar).

    Both rise linearly to `peak` over the warm-up, reaching it at its last step; then "constant" stays there and
    "cosine" falls as peak (1 + cos(pi x)) / 2, x going from 0 to 1 over the steps that are left (Loshchilov and
    Hutter 2017).

    Args:
      peak: the highest learning rate.
      num_steps: of the whole run.
      num_warmup_steps: 0 for none.

    Example:
      >>> schedule = make_schedule("cosine", 0.1, num_steps=10, num_warmup_steps=2)
      >>> [round(float(schedule(torch.tensor(step))), 3) for step in (0, 1, 6, 10)]
      [0.05, 0.1, 0.05, 0.0]
    """
    check_choice("schedule", name, SCHEDULES)

    def schedule(step: Tensor) -> Tensor:
        position = step.to(torch.float32)
        rise = torch.clamp((position + 1.0) / max(num_warmup_steps, 1), max=1.0)
        if name == "constant":
            return peak * rise
        x = torch.clamp((position - num_warmup_steps) / max(num_steps - num_warmup_steps, 1), 0.0, 1.0)
        return peak * rise * 0.5 * (1.0 + torch.cos(math.pi * x))

    return schedule


def _zeros(params: Tensors) -> Tensors:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _zero_count(params: Tensors) -> Tensor:
    return torch.zeros((), dtype=torch.int64, device=next(iter(params.values())).device)
