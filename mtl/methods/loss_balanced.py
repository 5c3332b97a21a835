"""Loss-balanced weighting: tasks that have improved little since the epoch began count more.

Source: Liu et al., AAAI 2019
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import epochs
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number, is_as_coded


class BalancedState(NamedTuple):
    """`first_losses_K`: of the first batch of the epoch in which the task is open."""

    clock: epochs.EpochClock
    first_losses_K: Tensor


def loss_balanced(alpha: float = 0.5, scale: str = "paper") -> Method[BalancedState]:
    """LBTW (Liu, Liang and Gitter, AAAI 2019).

    w_t = (L_t / L_t of the epoch's first batch)^alpha

    w is a constant in the total loss. A task's first batch is the first of the epoch in which its gate is open.

    Args:
      alpha: focus; 0 gives equal weights. The authors' code has 0.5.
      scale: "paper": w falls with the losses, and the step with it; "code": then scaled to sum to K, as in the authors'
        code.

    Example:
      In the epoch's second step the first loss is a quarter of what it was.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(loss_balanced(), observe(losses=[1.0, 4.0]), observe(losses=[0.25, 4.0], epoch_step=1))
      tensor([[1.0000, 1.0000],
              [0.5000, 1.0000]])
    """
    alpha, as_coded = check_number("loss_balanced.alpha", alpha, "[0, inf)"), is_as_coded("loss_balanced.scale", scale)

    def init(num_tasks: int, device: torch.device) -> BalancedState:
        return BalancedState(epochs.init_clock(num_tasks, device), torch.ones(num_tasks, device=device))

    def update(state: BalancedState, observation: Observation) -> tuple[Tensor, BalancedState]:
        is_first_K, clock = epochs.tick(state.clock, observation)
        first_losses_K = torch.where(is_first_K, observation.losses_K, state.first_losses_K)
        weights_K = torch.where(observation.open_K, torch.pow(observation.losses_K / first_losses_K, alpha), 0.0)
        if as_coded:
            weights_K = observation.open_K.sum() * divide(weights_K, weights_K.sum())
        return weights_K, BalancedState(clock, first_losses_K)

    return Method(init, update, needs_positive_losses=True)
