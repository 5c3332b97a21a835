"""Dynamic weight average: tasks whose loss falls slowly from epoch to epoch count more.

Source: Liu et al., CVPR 2019
LibMTL: DWA
TorchJD: DWA
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import epochs, masked
from mtl.methods.shared.options import check_number


class AverageState(NamedTuple):
    """Of each task: the sum and number of its losses in this epoch; its mean losses one and two epochs ago, or 0."""

    clock: epochs.EpochClock
    sum_K: Tensor
    num_losses_K: Tensor
    previous_K: Tensor
    older_K: Tensor


def dynamic_weight_average(temperature: float = 2.0) -> Method[AverageState]:
    """DWA (Liu, Johns and Davison, CVPR 2019).

    w = K softmax_t(r_t / T),   r_t = (mean L_t of the last epoch) / (mean L_t of the epoch before it)

    r_t is 1 until there are two epochs to compare. A task's epochs are those in which its gate is ever open; its means
    are over the steps in which it is.

    Args:
      temperature: T; higher is closer to equal weights.

    Example:
      Epochs of one step: the first loss stays, the second is halved.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(
      ...     dynamic_weight_average(),
      ...     *[observe(losses=losses) for losses in ([1.0, 4.0], [1.0, 2.0], [1.0, 1.0])],
      ... )
      tensor([[1.0000, 1.0000],
              [1.0000, 1.0000],
              [1.1244, 0.8756]])
    """
    temperature = check_number("dynamic_weight_average.temperature", temperature, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> AverageState:
        zeros_K = torch.zeros(num_tasks, device=device)
        num_losses_K = torch.zeros(num_tasks, dtype=torch.int64, device=device)
        return AverageState(epochs.init_clock(num_tasks, device), zeros_K, num_losses_K, zeros_K, zeros_K)

    def update(state: AverageState, observation: Observation) -> tuple[Tensor, AverageState]:
        losses_K, open_K = observation.losses_K, observation.open_K
        is_first_K, clock = epochs.tick(state.clock, observation)
        # The first epoch of all rolls in the mean of no losses, 0.
        previous_K = torch.where(is_first_K, state.sum_K / state.num_losses_K.clamp(min=1), state.previous_K)
        older_K = torch.where(is_first_K, state.previous_K, state.older_K)
        sum_K = torch.where(is_first_K, 0.0, state.sum_K) + torch.where(open_K, losses_K, 0.0)
        num_losses_K = torch.where(is_first_K, 0, state.num_losses_K) + open_K

        ratio_K = torch.where(older_K > 0, previous_K / torch.where(older_K > 0, older_K, 1.0), 1.0)
        weights_K = open_K.sum() * masked.softmax(ratio_K / temperature, open_K)
        return weights_K, AverageState(clock, sum_K, num_losses_K, previous_K, older_K)

    return Method(init, update, needs_positive_losses=True)
