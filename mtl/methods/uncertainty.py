"""Uncertainty weighting: every task has a learned variance, and noisy tasks count less.

Source: Kendall et al., CVPR 2018
LibMTL: UW
TorchJD: UW
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned
from mtl.methods.shared.learned import Learned


def uncertainty() -> Method[Learned]:
    """Homoscedastic uncertainty (Kendall, Gal and Cipolla, CVPR 2018), in its form for classification.

    L = sum_t exp(-s_t) L_t + s_t / 2,   so w_t = exp(-s_t) and dL/ds_t = 1/2 - exp(-s_t) L_t

    The log-variances s start at 0 (equal weights), move by Adam without weight decay at the network's learning rate,
    and stand still for a task whose gate is shut. They rest at exp(-s_t) = 1 / (2 L_t).

    Example:
      A loss of 0.2 counts more and one of 0.7 less, step by step.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(uncertainty(), *3 * [observe(losses=[0.2, 0.7], learning_rate=0.1)])
      tensor([[1.0000, 1.0000],
              [1.1052, 0.9048],
              [1.2211, 0.8212]])
    """

    def init(num_tasks: int, device: torch.device) -> Learned:
        return learned.init(num_tasks, device)

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        weights_K = torch.exp(-state.values_K)
        gradient_K = 0.5 - weights_K * observation.losses_K
        state = learned.update(state, gradient_K, observation.open_K, observation.learning_rate)
        return torch.where(observation.open_K, weights_K, 0.0), state

    return Method(init, update, needs_positive_losses=True)
