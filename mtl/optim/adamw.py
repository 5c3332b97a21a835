"""Adam with decoupled weight decay."""

import torch
from torch import Tensor

from mtl.optim.optimizer import Optimizer, OptimizerState, Tensors, has_kernel, lists_for_kernel, zero_count, zeros


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
        return OptimizerState(zero_count(params), {"first": zeros(params), "second": zeros(params)})

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
        if not has_kernel(learning_rate):
            return update(gradients, state, params, learning_rate)
        num_updates = state.num_updates + 1
        values, slopes, first, second = lists_for_kernel(gradients, params, state, "first", "second")
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
