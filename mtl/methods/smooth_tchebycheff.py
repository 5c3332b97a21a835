"""Smooth Tchebycheff: a soft maximum of the losses.

Source: Lin et al., ICML 2024
LibMTL: STCH
TorchJD: STCH
"""

from typing import Any

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared import epochs, masked
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_count, check_number


def smooth_tchebycheff(mu: float = 0.01, warmup_epochs: int = 0) -> Method[Any]:
    """STCH (Lin et al., ICML 2024), with equal preferences lambda_t = 1 / K.

    L = mu log sum_t exp(lambda_t (L_t - z_t) / mu),   so w_t = lambda_t softmax_t(lambda_t (L_t - z_t) / mu)

    The ideal point z is 0, the infimum of a cross-entropy; an ideal that all tasks share drops out of w.

    The authors' code for multi-task learning is another rule, `warmup_epochs=4, mu=1.0`: for so many epochs, and in the
    one after them, whose mean losses are n (1 for a task that is closed in all of it), it minimises sum_t log L_t; then

    L = K mu log sum_t exp(log(L_t / n_t) / mu),   so w_t = K softmax_t(log(L_t / n_t) / mu) / L_t

    Args:
      mu: smoothing, in units of lambda_t L_t; towards 0 only the largest loss counts. 0.01 is from another experiment
        of the authors, which learns a whole Pareto set.
      warmup_epochs: 0 for the paper's formula.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(smooth_tchebycheff(mu=1.0), observe(losses=[1.0, 3.0]))
      tensor([[0.1345, 0.3655]])
    """
    mu = check_number("smooth_tchebycheff.mu", mu, "(0, inf)")
    check_count("smooth_tchebycheff.warmup_epochs", warmup_epochs, "[0, 1e9]")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        preference = 1.0 / observation.open_K.sum()
        return preference * masked.softmax(preference * observation.losses_K / mu, observation.open_K), state

    return Method(no_state, update) if warmup_epochs == 0 else _as_coded(mu, warmup_epochs)


def _as_coded(mu: float, warmup_epochs: int) -> Method[epochs.EpochMean]:
    def update(state: epochs.EpochMean, observation: Observation) -> tuple[Tensor, epochs.EpochMean]:
        losses_K, open_K = observation.losses_K, observation.open_K
        is_over, mean_K, state = epochs.measure(state, observation, warmup_epochs)
        nadir_K = torch.where(mean_K > 0.0, mean_K, 1.0)
        soft_K = open_K.sum() * masked.softmax(torch.log(losses_K / nadir_K) / mu, open_K)
        return divide(torch.where(is_over, soft_K, open_K.to(losses_K.dtype)), losses_K), state

    return Method(epochs.init_mean, update, needs_positive_losses=True)
