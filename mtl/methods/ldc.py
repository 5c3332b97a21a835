"""LDC-MTL: learned weights that also draw the weighted losses of neighbouring tasks together.

Source: Xiao et al., 2025
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned
from mtl.methods.shared.learned import Learned
from mtl.methods.shared.options import check_number


def ldc(penalty: float = 0.01) -> Method[Learned]:
    """Loss discrepancy control (Xiao, Dong, Zou and Ji, 2025, arXiv:2502.08585), as in the authors' code for CelebA.

    L = sum_t sigma_t L_t / S + penalty sum_t |sigma_t L_t - sigma_{t+1} L_{t+1}|
    sigma = sigmoid(a),   S = sum_t sigma_t, a constant

    With d_t = sum over the neighbours u of sign(sigma_t L_t - sigma_u L_u), w_t = sigma_t (1 / S + penalty d_t) and
    dL/da_t = (1 - sigma_t) L_t w_t. The parameters a start at 1, move by Adam without weight decay at the network's
    learning rate, and stand still for a task whose gate is shut.

    The neighbours are those in the order of the open tasks, so the order matters. A weight is negative, to have its
    loss rise to its neighbours', where penalty d_t < -1 / S; with the default that takes more than 50 open tasks.

    Args:
      penalty: lambda; the authors' code for CelebA has 0.01.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(ldc(penalty=0.1), observe(losses=[1.0, 2.0]))
      tensor([[0.4269, 0.5731]])
    """
    penalty = check_number("ldc.penalty", penalty, "[0, inf)")

    def init(num_tasks: int, device: torch.device) -> Learned:
        return learned.init(num_tasks, device, value=1.0)

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        losses_K, open_K = observation.losses_K, observation.open_K
        sigma_K = torch.sigmoid(state.values_K)
        scaled_K = sigma_K * losses_K
        order_K = open_K.cumsum(dim=0)  # the open tasks' number in the chain
        neighbours_KK = ((order_K[:, None] - order_K).abs() == 1) & open_K[:, None] & open_K
        d_K = torch.where(neighbours_KK, torch.sign(scaled_K[:, None] - scaled_K), 0.0).sum(dim=1)
        weights_K = sigma_K * (1.0 / torch.where(open_K, sigma_K, 0.0).sum() + penalty * d_K)
        gradient_K = (1.0 - sigma_K) * losses_K * weights_K
        state = learned.update(state, gradient_K, open_K, observation.learning_rate)
        return torch.where(open_K, weights_K, 0.0), state

    return Method(init, update)
