"""Gradient-norm scaling: each gradient is divided by its usual length.

Source: Défossez et al., TMLR 2023 (EnCodec); Bellec 2023
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, unweighted
from mtl.methods.shared.gramian import divide, open_gramian, open_weights
from mtl.methods.shared.options import check_number


class NormState(NamedTuple):
    """`squares_K`: m, the average of |g|^2. `num_updates_K`: int64, how often the task was open."""

    squares_K: Tensor
    num_updates_K: Tensor


def gradient_norm_scaling(beta: float = 0.999) -> Method[NormState]:
    """The balancer of EnCodec (Défossez et al., TMLR 2023), in the form of Bellec's code (2023).

    m_t <- beta m_t + (1 - beta) |g_t|^2,   w_t = 1 / sqrt(m_t / (1 - beta^k))

    A closed task's m stands still, and its k counts only steps in which it is open. A task whose m is 0 has weight 0.
    Nothing is learned from the losses, and the directions are as they are. We read Bellec's code, not the paper's text;
    heads keep their own gradients there too. |g_t| is over all that the Gramian covers, there over the features.

    Args:
      beta: in [0, 1); 0.999 in the code.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(gradient_norm_scaling(), observe(gramian=[[4.0, 0.0], [0.0, 0.25]]))
      tensor([[0.5000, 2.0000]])
    """
    beta = check_number("gradient_norm_scaling.beta", beta, "[0, 1)")

    def init(num_tasks: int, device: torch.device) -> NormState:
        num_updates_K = torch.zeros(num_tasks, dtype=torch.int64, device=device)
        return NormState(torch.zeros(num_tasks, device=device), num_updates_K)

    def update(state: NormState, observation: Observation) -> tuple[Tensor, NormState]:
        open_K, new_K = observation.open_K, open_gramian(observation).diagonal().to(state.squares_K.dtype)
        squares_K = torch.where(open_K, beta * state.squares_K + (1.0 - beta) * new_K, state.squares_K)
        num_updates_K = state.num_updates_K + open_K
        corrected_K = squares_K / (1.0 - beta ** num_updates_K.clamp(min=1).to(squares_K.dtype))
        weights_K = divide(torch.ones_like(corrected_K), corrected_K.sqrt())
        return open_weights(weights_K, observation), NormState(squares_K, num_updates_K)

    return Method(init, update, unweighted, looks_at=("gramian",))
