"""IMTL-L: learned scales that bring all losses to the same size.

Source: Liu et al., ICLR 2021 (IMTL-L)
TorchJD: IMTLL
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned
from mtl.methods.shared.learned import Learned


def impartial_losses() -> Method[Learned]:
    """IMTL-L, the loss balance of impartial multi-task learning (Liu, Li, Kuang et al., ICLR 2021).

    L = sum_t exp(s_t) L_t - s_t,   so w_t = exp(s_t) and dL/ds_t = exp(s_t) L_t - 1

    The scales s start at 0 (equal weights), move by Adam without weight decay at the network's learning rate, and
    stand still for a task whose gate is shut. They rest where every scaled loss is 1: exp(s_t) = 1 / L_t.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(impartial_losses(), *2 * [observe(losses=[0.5, 2.0], learning_rate=0.1)])
      tensor([[1.0000, 1.0000],
              [1.1052, 0.9048]])
    """

    def init(num_tasks: int, device: torch.device) -> Learned:
        return learned.init(num_tasks, device)

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        weights_K = torch.exp(state.values_K)
        gradient_K = weights_K * observation.losses_K - 1.0
        state = learned.update(state, gradient_K, observation.open_K, observation.learning_rate)
        return torch.where(observation.open_K, weights_K, 0.0), state

    return Method(init, update, needs_positive_losses=True)
