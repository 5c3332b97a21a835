"""Coefficient of variation: losses that still vary, relative to their mean, count more.

Source: Groenendijk et al., WACV 2021
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import masked
from mtl.methods.shared.options import check_number


class VariationState(NamedTuple):
    """Of each task: number and mean of its losses L; mean of its ratios l and sum of their squared deviations."""

    num_losses_K: Tensor
    mean_loss_K: Tensor
    mean_ratio_K: Tensor
    squares_K: Tensor


def coefficient_of_variation(variance_floor: float = 1e-8) -> Method[VariationState]:
    """CoV weighting (Groenendijk, Karaoglu, Gevers and Mensink, WACV 2021).

    w_t = c_t / sum_s c_s,   c_t = std(l_t) / mean(l_t),   l_t = L_t / (mean of L_t over the steps before)

    Mean and standard deviation are over all steps before this one (Welford's algorithm), as in the authors' code.
    A task with fewer than two of them takes the average c of the others; if there are no others, w is uniform.

    Args:
      variance_floor: added to the variance of l; the authors' code has 1e-8.

    Example:
      The first loss doubles, the second grows by half.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(
      ...     coefficient_of_variation(),
      ...     *[observe(losses=losses) for losses in ([1.0, 1.0], [2.0, 1.5], [7.0, 7.0])],
      ... )
      tensor([[0.5000, 0.5000],
              [0.5000, 0.5000],
              [0.6250, 0.3750]])
    """
    variance_floor = check_number("coefficient_of_variation.variance_floor", variance_floor, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> VariationState:
        zeros_K, ones_K = torch.zeros(num_tasks, device=device), torch.ones(num_tasks, device=device)
        return VariationState(torch.zeros(num_tasks, dtype=torch.int64, device=device), ones_K, ones_K, zeros_K)

    def update(state: VariationState, observation: Observation) -> tuple[Tensor, VariationState]:
        open_K = observation.open_K
        deviation_K = torch.sqrt(state.squares_K / state.num_losses_K.clamp(min=1) + variance_floor)
        known_K = open_K & (state.num_losses_K >= 2)
        variation_K = deviation_K / state.mean_ratio_K
        usual = torch.where(known_K.any(), masked.mean(variation_K, known_K), 1.0)
        variation_K = torch.where(open_K, torch.where(known_K, variation_K, usual), 0.0)
        new_state = masked.hold(open_K, _observe(state, observation.losses_K), state)
        return variation_K / variation_K.sum(), new_state

    return Method(init, update, needs_positive_losses=True)


def _observe(state: VariationState, losses_K: Tensor) -> VariationState:
    num_losses_K = state.num_losses_K + 1
    ratios_K = torch.where(state.num_losses_K == 0, 1.0, losses_K / state.mean_loss_K)
    mean_loss_K = state.mean_loss_K + (losses_K - state.mean_loss_K) / num_losses_K
    mean_ratio_K = state.mean_ratio_K + (ratios_K - state.mean_ratio_K) / num_losses_K
    squares_K = state.squares_K + (ratios_K - state.mean_ratio_K) * (ratios_K - mean_ratio_K)
    return VariationState(num_losses_K, mean_loss_K, mean_ratio_K, squares_K)
