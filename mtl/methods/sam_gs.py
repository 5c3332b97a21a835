"""SAM-GS: gradients of unlike lengths are made equally long; of alike lengths, weighted by their momentum.

Source: Borsani et al., 2025
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, known_gradients, unweighted
from mtl.methods.shared import masked
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number


class SamGsState(NamedTuple):
    """`momentum_KN`: m. `unlikeness`: v, a scalar. How often a task was open, and how many steps there were: int64."""

    momentum_KN: Tensor
    unlikeness: Tensor
    num_updates_K: Tensor
    num_steps: Tensor


def sam_gs(gamma: float = 0.7, momentum: float = 0.9, beta2: float = 0.99) -> Method[SamGsState]:
    """Similarity-aware momentum gradient surgery (Borsani et al., 2025; "Gradient Similarity Surgery").

      s = mean over pairs of 2 |g_i| |g_j| / (|g_i|^2 + |g_j|^2)
      m_t <- momentum m_t + (1 - momentum) g_t,   v <- beta2 v + (1 - beta2) (1 - s)^2 + 1e-8
      d = mean_i |g_i| sum_t g_t / |g_t|               where s < gamma
      d = sum_t g_t |m_t^| / sqrt(v^)  by coordinate   where not

    m^ and v^ are m and v over 1 - momentum^k and 1 - beta2^k, as in Adam. By the authors' code. The second d is of
    second degree in the gradients. Ours: two gradients of 0 are alike, and a task alone has s = 1; a closed task's m
    stands still, and its k counts only steps in which it is open.

    Args:
      gamma: in [0, 1]; the authors' setting for CelebA (0.1 by default).
      momentum, beta2: in [0, 1).

    Example:
      Lengths 1 and 5 have s = 10/26: both come to be as long as their mean.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(sam_gs(), observe(gradients=[[1.0, 0.0], [3.0, 4.0]]))
      tensor([[3.0000, 0.6000]])
    """
    gamma = check_number("sam_gs.gamma", gamma, "[0, 1]")
    momentum, beta2 = check_number("sam_gs.momentum", momentum, "[0, 1)"), check_number("sam_gs.beta2", beta2, "[0, 1)")

    def init(num_tasks: int, device: torch.device, num_coordinates: int) -> SamGsState:
        return SamGsState(
            torch.zeros(num_tasks, num_coordinates, device=device),
            torch.zeros((), device=device),
            torch.zeros(num_tasks, dtype=torch.int64, device=device),
            torch.zeros((), dtype=torch.int64, device=device),
        )

    def update(state: SamGsState, observation: Observation) -> tuple[Tensor, SamGsState]:
        open_K, gradients_KN = observation.open_K, known_gradients(observation)
        past_K = torch.where(open_K, gradients_KN.new_full((), momentum), 1.0)
        momentum_KN = torch.addcmul(past_K[:, None] * state.momentum_KN, (1.0 - past_K)[:, None], gradients_KN)
        norms_K, similarity = _lengths(observation)
        unlikeness = beta2 * state.unlikeness + (1.0 - beta2) * (1.0 - similarity) ** 2 + 1e-8
        num_steps = state.num_steps + 1
        corrected = unlikeness / (1.0 - beta2 ** num_steps.to(norms_K.dtype))
        equal_K = divide(masked.mean(norms_K, open_K), norms_K)
        weights_K = torch.where(similarity < gamma, equal_K, corrected.rsqrt())
        new_state = SamGsState(momentum_KN, unlikeness, state.num_updates_K + open_K, num_steps)
        return torch.where(open_K, weights_K, 0.0), new_state

    def surgery(state: SamGsState, observation: Observation) -> Tensor:
        gradients_KN = known_gradients(observation)
        counts_K = state.num_updates_K.clamp(min=1).to(gradients_KN.dtype)
        corrected_KN = state.momentum_KN.abs() / (1.0 - momentum**counts_K)[:, None]
        return torch.where(_lengths(observation)[1] < gamma, gradients_KN, gradients_KN * corrected_KN)

    return Method(init, update, unweighted, looks_at=("gradients",), gradients=surgery, at_features=False)


def _lengths(observation: Observation) -> tuple[Tensor, Tensor]:
    """|g_t| [K], 0 at closed tasks, and s."""
    open_K = observation.open_K
    norms_K = torch.where(open_K, torch.linalg.vector_norm(known_gradients(observation), dim=1), 0.0)
    squares_KK = norms_K**2 + norms_K[:, None] ** 2
    alike_KK = torch.where(squares_KK > 0.0, divide(2.0 * norms_K * norms_K[:, None], squares_KK), 1.0)
    pairs_KK = (open_K & open_K[:, None]).triu(diagonal=1)
    num_pairs = pairs_KK.sum()
    mean = torch.where(pairs_KK, alike_KK, 0.0).sum() / num_pairs.clamp(min=1)
    return norms_K, torch.where(num_pairs > 0, mean, 1.0)
