"""DB-MTL: logarithms balance the losses, and all gradients are made as long as the longest.

Source: Lin et al., 2023
LibMTL: DB_MTL
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, known_gradients
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number


class DbMtlState(NamedTuple):
    """`average_KN`: of the gradients. `num_updates_K`: how often the task was open, int64."""

    average_KN: Tensor
    num_updates_K: Tensor


def db_mtl(beta: float = 0.9, beta_decay: float = 0.0) -> Method[DbMtlState]:
    """Dual-balancing multi-task learning (Lin et al., Neural Networks 2025; arXiv:2308.12029). In step k:

      a_t <- beta_k a_t + (1 - beta_k) grad log L_t,   beta_k = beta / k^beta_decay,   grad log L_t = g_t / L_t
      d = max_s |a_s| sum_t a_t / |a_t|

    Heads take the gradient of log L_t. The averages start at 0, as in LibMTL, so that the first d are short. A closed
    task's average stands still, its k counts only steps in which it is open, and max_s is over the open tasks. A task
    whose average is 0 has weight 0.

    Args:
      beta: share of the past, in [0, 1). LibMTL's default; the paper tunes it for each data set.
      beta_decay: 0 keeps beta constant.

    Example:
      Gradients of log L have lengths 5 and 2.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(db_mtl(beta=0.0), observe(losses=[1.0, 0.5], gradients=[[3.0, 4.0], [0.0, 1.0]]))
      tensor([[1.0000, 2.5000]])
    """
    beta_decay = check_number("db_mtl.beta_decay", beta_decay, "[0, inf)")
    # Averages that start at 0 and never move would train nothing.
    beta = check_number("db_mtl.beta", beta, "[0, 1]" if beta_decay > 0.0 else "[0, 1)")

    def init(num_tasks: int, device: torch.device, num_coordinates: int) -> DbMtlState:
        average_KN = torch.zeros(num_tasks, num_coordinates, device=device)
        return DbMtlState(average_KN, torch.zeros(num_tasks, dtype=torch.int64, device=device))

    def update(state: DbMtlState, observation: Observation) -> tuple[Tensor, DbMtlState]:
        open_K, gradients_KN = observation.open_K, known_gradients(observation)
        num_updates_K = state.num_updates_K + open_K
        past_K = torch.where(open_K, beta * num_updates_K.clamp(min=1).to(gradients_KN.dtype) ** -beta_decay, 1.0)
        new_K = ((1.0 - past_K) * _inverse_losses(observation)).to(gradients_KN.dtype)
        average_KN = torch.addcmul(past_K[:, None] * state.average_KN, new_K[:, None], gradients_KN)
        norms_K = torch.where(open_K, torch.linalg.vector_norm(average_KN, dim=1), 0.0)
        return divide(norms_K.amax(), norms_K), DbMtlState(average_KN, num_updates_K)

    def averages(state: DbMtlState, observation: Observation) -> Tensor:
        return state.average_KN

    def head_weights(state: DbMtlState, observation: Observation, weights_K: Tensor) -> Tensor:
        return _inverse_losses(observation).to(weights_K.dtype)

    return Method(
        init,
        update,
        head_weights,
        looks_at=("losses", "gradients"),
        gradients=averages,
        at_features=False,
        needs_positive_losses=True,
    )


def _inverse_losses(observation: Observation) -> Tensor:
    """1 / L_t at the open tasks, else 0."""
    return divide(observation.open_K.to(observation.losses_K.dtype), observation.losses_K)
