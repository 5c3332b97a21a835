"""Stochastic gradient descent with momentum."""

import torch
from torch import Tensor

from mtl.optim.optimizer import Optimizer, OptimizerState, Tensors, has_kernel, lists_for_kernel, zero_count, zeros


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
        return OptimizerState(zero_count(params), {"momentum": zeros(params)})

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
        if not has_kernel(learning_rate):
            return update(gradients, state, params, learning_rate)
        values, slopes, moved = lists_for_kernel(gradients, params, state, "momentum")
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
