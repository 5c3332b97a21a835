"""Functional optimizers, each (init, update) with a donating form of the update, and learning-rate schedules.

`update` never writes into what it was given. It acts on a dictionary of parameters and knows no tasks, so that the
heads use it under `vmap`, with a state (its step count too) of each task's own. `update_donated` is the same update for
a caller who gives up parameters and state: torch's fused kernel reads and writes each number once, where it is.
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


Update = Callable[[Tensors, OptimizerState, Tensors, Tensor], tuple[Tensors, OptimizerState]]


class Optimizer(NamedTuple):
    """How parameters are moved.

    Attributes:
      init: params -> state.
      update: (gradients, state, params, learning_rate) -> (params, state); writes into nothing.
      update_donated: the same up to rounding, but the result may lie where `params` and the state's moments lay: do not
        read these again. `update` itself in a graph of torch.compile, which fuses it, and on devices without a kernel.
    """

    init: Callable[[Tensors], OptimizerState]
    update: Update
    update_donated: Update


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

    def update_donated(
        gradients: Tensors, state: OptimizerState, params: Tensors, learning_rate: Tensor
    ) -> tuple[Tensors, OptimizerState]:
        if not _has_kernel(learning_rate):
            return update(gradients, state, params, learning_rate)
        values, slopes, moved = _lists(gradients, params, state, "momentum")
        torch._fused_sgd_(
            values,
            slopes,
            moved,
            lr=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )
        return params, OptimizerState(state.num_updates + 1, state.moments)

    return Optimizer(init, update, update_donated)


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

    def update_donated(
        gradients: Tensors, state: OptimizerState, params: Tensors, learning_rate: Tensor
    ) -> tuple[Tensors, OptimizerState]:
        if not _has_kernel(learning_rate):
            return update(gradients, state, params, learning_rate)
        num_updates = state.num_updates + 1
        values, slopes, first, second = _lists(gradients, params, state, "first", "second")
        torch._fused_adamw_(
            values,
            slopes,
            first,
            second,
            [],
            [num_updates.to(torch.float32)] * len(gradients),
            lr=learning_rate,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay,
            eps=epsilon,
            amsgrad=False,
            maximize=False,
        )
        return params, OptimizerState(num_updates, state.moments)

    return Optimizer(init, update, update_donated)


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


def _has_kernel(scalar: Tensor) -> bool:
    return scalar.device.type in ("cpu", "cuda") and not torch.compiler.is_compiling()


def _lists(gradients: Tensors, params: Tensors, state: OptimizerState, *moments: str) -> list[list[Tensor]]:
    """Parameters, gradients and moments as the fused kernels take them: in one order, and that of memory.

    A kernel walks over memory, and first copies what is not laid out in the order of its dimensions.
    """
    laid_out = {
        name: value if value.stride() == params[name].stride() else torch.empty_like(params[name]).copy_(value)
        for name, value in gradients.items()
    }
    orders = {name: sorted(range(value.dim()), key=value.stride, reverse=True) for name, value in params.items()}
    trees = (params, laid_out, *(state.moments[moment] for moment in moments))
    lists = [[tree[name].permute(order) for name, order in orders.items()] for tree in trees]
    assert all(value.is_contiguous() for each in lists for value in each), "moments are laid out like their parameter"
    return lists


def _zeros(params: Tensors) -> Tensors:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _zero_count(params: Tensors) -> Tensor:
    return torch.zeros((), dtype=torch.int64, device=next(iter(params.values())).device)
