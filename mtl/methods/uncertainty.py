"""Uncertainty weighting: every task has a learned variance, and noisy tasks count less."""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.interface import Method
from mtl.optim import OptimizerState, adamw


class UncertaintyState(NamedTuple):
    """`log_variances`: s, {"s": [K] float32}; `optimizer`: AdamW's state for them."""

    log_variances: dict[str, Tensor]
    optimizer: OptimizerState


def uncertainty() -> Method[UncertaintyState]:
    """Homoscedastic uncertainty (Kendall, Gal and Cipolla 2018), in its form for classification.

    L = sum_t exp(-s_t) L_t + s_t / 2,   so w_t = exp(-s_t) and dL/ds_t = 1/2 - exp(-s_t) L_t

    s starts at 0 (equal weights), moves by Adam without weight decay at the network's learning rate, and stands still
    for a task that is dropped. It rests at exp(-s_t) = 1 / (2 L_t).
    """
    optimizer = adamw(weight_decay=0.0)

    def init(num_tasks: int, device: torch.device) -> UncertaintyState:
        log_variances = {"s": torch.zeros(num_tasks, device=device)}
        return UncertaintyState(log_variances, optimizer.init(log_variances))

    def update(
        state: UncertaintyState, losses_K: Tensor, open_K: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, UncertaintyState]:
        weights_K = torch.exp(-state.log_variances["s"])
        gradient_K = 0.5 - weights_K * losses_K
        moved, moved_optimizer = optimizer.update(
            {"s": torch.where(open_K, gradient_K, 0.0)}, state.optimizer, state.log_variances, learning_rate
        )
        # A shut gate's gradient of 0 would still move s by its momentum.
        held = {"s": torch.where(open_K, moved["s"], state.log_variances["s"])}
        return weights_K, UncertaintyState(held, moved_optimizer)

    return Method(init, update)
