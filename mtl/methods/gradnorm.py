"""GradNorm: weights are learned that make gradients equally long, longer where a task's loss lags behind.

Source: Chen et al., ICML 2018
LibMTL: GradNorm
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned, masked
from mtl.methods.shared.gramian import divide, open_gramian, open_weights
from mtl.methods.shared.learned import Learned
from mtl.methods.shared.options import check_number


class GradNormState(NamedTuple):
    """`log_weights`: log w, normalised when they are used. `first_losses_K`: L_t(0), 0 if the task was never open."""

    log_weights: Learned
    first_losses_K: Tensor


def gradnorm(alpha: float = 1.5, learning_rate: float = 0.025) -> Method[GradNormState]:
    """Gradient normalization (Chen, Badrinarayanan, Lee and Rabinovich, ICML 2018).

    T_t = mean_s(w_s |g_s|) r_t^alpha,   r_t = q_t / mean_s q_s,   q_t = L_t / L_t(0): how slowly task t learns

    In each step w moves once, by Adam, to lessen sum_t |w_t |g_t| - T_t|, the targets T being constants; then it is
    scaled to sum to K. It starts at 1 and is used before it moves. L_t(0) is the first loss of the task that is seen.

    Our departures: Adam moves log w, by the derivative sign(w_t |g_t| - T_t) w_t |g_t|, so that w stays positive; the
    paper moves w itself and does not say what keeps it from crossing 0 (LibMTL's w is a softmax, which is learned with
    its Jacobian). Where w_t = 1 both moves are the same up to second order. |g_t| is over all that the Gramian covers;
    the paper takes the last shared layer's weights.

    Args:
      alpha: how strongly slow tasks are pulled forward, at least 0; 0 makes all gradients equally long. The paper's on
        NYU-v2 is 1.5.
      learning_rate: of log w.

    Example:
      Lengths 1 and 3 are drawn together.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(gradnorm(learning_rate=0.1), *2 * [observe(losses=[1.0, 5.0], gramian=[[1.0, 0.0], [0.0, 9.0]])])
      tensor([[1.0000, 1.0000],
              [1.0997, 0.9003]])
    """
    alpha = check_number("gradnorm.alpha", alpha, "[0, inf)")
    learning_rate = check_number("gradnorm.learning_rate", learning_rate, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> GradNormState:
        return GradNormState(learned.init(num_tasks, device), torch.zeros(num_tasks, device=device))

    def update(state: GradNormState, observation: Observation) -> tuple[Tensor, GradNormState]:
        losses_K, open_K = observation.losses_K, observation.open_K
        first_losses_K = torch.where(open_K & (state.first_losses_K == 0.0), losses_K, state.first_losses_K)
        log_weights_K = _normalized(state.log_weights.values_K, open_K)
        weights_K = torch.exp(log_weights_K)

        lengths_K = weights_K * open_gramian(observation).diagonal().sqrt().to(weights_K.dtype)
        ratios_K = divide(losses_K, first_losses_K)
        rates_K = divide(ratios_K, masked.mean(ratios_K, open_K))
        targets_K = masked.mean(lengths_K, open_K) * torch.pow(rates_K, alpha)
        gradient_K = torch.sign(lengths_K - targets_K) * lengths_K
        log_weights = learned.update(
            state.log_weights._replace(values_K=log_weights_K), gradient_K, open_K, losses_K.new_full((), learning_rate)
        )
        return open_weights(weights_K, observation), GradNormState(log_weights, first_losses_K)

    return Method(init, update, looks_at=("losses", "gramian"), needs_positive_losses=True)


def _normalized(log_weights_K: Tensor, open_K: Tensor) -> Tensor:
    """Log weights of which the open ones' weights sum to their number."""
    log_mean = torch.logsumexp(log_weights_K.masked_fill(~open_K, -torch.inf), dim=0) - torch.log(
        open_K.sum().to(log_weights_K.dtype)
    )
    return torch.where(open_K, log_weights_K - log_mean, log_weights_K)
