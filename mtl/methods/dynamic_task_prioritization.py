"""Dynamic task prioritisation: difficult tasks count more.

Source: Guo et al., ECCV 2018
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.options import check_number


class PriorityState(NamedTuple):
    """`performance_K`: kappa, in [0, 1]; `seen_K`: bool, the task has been open."""

    performance_K: Tensor
    seen_K: Tensor


def dynamic_task_prioritization(gamma: float = 1.0, smoothing: float = 0.1) -> Method[PriorityState]:
    """DTP (Guo et al., ECCV 2018): the focal loss, with a task in place of an example.

    w_t = -(1 - kappa_t)^gamma log kappa_t,   kappa_t <- smoothing p_t + (1 - smoothing) kappa_t

    Our departure: the paper's p_t is a measure such as accuracy, which a method cannot see here. Ours is exp(-L_t), the
    likelihood of the right answer (its geometric mean over the batch), which is in (0, 1] and rises as a task is
    learned, too. The paper's focal loss over examples within a task is left out. w is a constant in the total loss.

    Args:
      gamma: focus; the paper tunes it for each task, 1 is our choice.
      smoothing: share of the new step in the moving average kappa, which starts at the first p_t; our choice.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(dynamic_task_prioritization(), observe(losses=[0.1, 0.7]))
      tensor([[0.0095, 0.3524]])
    """
    gamma = check_number("dynamic_task_prioritization.gamma", gamma, "[0, inf)")
    smoothing = check_number("dynamic_task_prioritization.smoothing", smoothing, "(0, 1]")

    def init(num_tasks: int, device: torch.device) -> PriorityState:
        return PriorityState(
            torch.zeros(num_tasks, device=device), torch.zeros(num_tasks, dtype=torch.bool, device=device)
        )

    def update(state: PriorityState, observation: Observation) -> tuple[Tensor, PriorityState]:
        open_K, likelihood_K = observation.open_K, torch.exp(-observation.losses_K)
        average_K = torch.lerp(state.performance_K, likelihood_K, smoothing)
        kappa_K = torch.where(open_K, torch.where(state.seen_K, average_K, likelihood_K), state.performance_K)
        log_kappa_K = torch.log(kappa_K.clamp(min=torch.finfo(kappa_K.dtype).tiny))
        weights_K = -torch.pow(1.0 - kappa_K, gamma) * log_kappa_K
        return torch.where(open_K, weights_K, 0.0), PriorityState(kappa_K, state.seen_K | open_K)

    return Method(init, update, needs_positive_losses=True)
