"""Uncertainty weighting: every task has a learned variance, and noisy tasks count less."""

import torch
from torch import Tensor

from mtl.methods import learned
from mtl.methods.interface import Method, Observation
from mtl.methods.learned import Learned


def uncertainty() -> Method[Learned]:
    """Homoscedastic uncertainty (Kendall, Gal and Cipolla, CVPR 2018), in its form for classification.

    L = sum_t exp(-s_t) L_t + s_t / 2,   so w_t = exp(-s_t) and dL/ds_t = 1/2 - exp(-s_t) L_t

    The log-variances s start at 0 (equal weights), move by Adam without weight decay at the network's learning rate,
    and stand still for a task whose gate is shut. They rest at exp(-s_t) = 1 / (2 L_t).
    """

    def init(num_tasks: int, device: torch.device) -> Learned:
        return learned.init(num_tasks, device)

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        weights_K = torch.exp(-state.values_K)
        gradient_K = 0.5 - weights_K * observation.losses_K
        state = learned.update(state, gradient_K, observation.open_K, observation.learning_rate)
        return torch.where(observation.open_K, weights_K, 0.0), state

    return Method(init, update, needs_positive_losses=True)
