"""MoCo: MGDA, one step at a time, on gradients that are averaged over the steps.

Source: Fernando et al., ICLR 2023
LibMTL: MoCo
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.linalg import row_products
from mtl.methods.base import Method, Observation, known_gradients, unweighted
from mtl.methods.shared import simplex
from mtl.methods.shared.options import check_number


class MocoState(NamedTuple):
    """`tracked_KN`: Y. `weights_K`: lambda. How often a task was open, and how many steps there were: int64."""

    tracked_KN: Tensor
    weights_K: Tensor
    num_updates_K: Tensor
    num_steps: Tensor


def moco(
    beta: float = 0.5, beta_decay: float = 0.5, gamma: float = 0.1, gamma_decay: float = 0.5, rho: float = 0.0
) -> Method[MocoState]:
    """Multi-objective gradient correction (Fernando et al., ICLR 2023). In step k:

      Y <- Y - beta_k (Y - G),                               beta_k = beta / k^beta_decay
      lambda <- Proj(lambda - gamma_k (Y Y^T + rho I) lambda),  gamma_k = gamma / k^gamma_decay
      d = Y^T lambda

    Proj projects onto the simplex of the open tasks. Y starts at 0, so that the first d are short, and lambda at
    1 / K. A closed task's Y and lambda stand still, and its k of beta_k counts only steps in which it is open.

    We follow the paper's rule, but the defaults are LibMTL's for another one: there, and in the authors' code for
    Cityscapes, a softmax takes the place of Proj, and g_t is scaled to the length L_t before it enters Y. With Proj and
    g_t as it is, the same authors' code for MoDo's paper has beta = gamma = rho = 0.1 without decay.

    Args:
      beta, beta_decay: of the tracking; beta in (0, 1].
      gamma, gamma_decay: of the weights; in units of 1 / |g|^2.
      rho: L2 coefficient of the weights.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(moco(beta=1.0), observe(gradients=[[2.0, 0.0], [0.0, 1.0]]))
      tensor([[0.4250, 0.5750]])
    """
    beta = check_number("moco.beta", beta, "(0, 1]")
    beta_decay = check_number("moco.beta_decay", beta_decay, "[0, inf)")
    gamma = check_number("moco.gamma", gamma, "(0, inf)")
    gamma_decay = check_number("moco.gamma_decay", gamma_decay, "[0, inf)")
    rho = check_number("moco.rho", rho, "[0, inf)")

    def init(num_tasks: int, device: torch.device, num_coordinates: int) -> MocoState:
        return MocoState(
            torch.zeros(num_tasks, num_coordinates, device=device),
            simplex.uniform(num_tasks, device),
            torch.zeros(num_tasks, dtype=torch.int64, device=device),
            torch.zeros((), dtype=torch.int64, device=device),
        )

    def update(state: MocoState, observation: Observation) -> tuple[Tensor, MocoState]:
        gradients_KN = known_gradients(observation)
        open_K, num_steps = observation.open_K, state.num_steps + 1
        num_updates_K = state.num_updates_K + open_K
        beta_K = torch.where(open_K, beta * num_updates_K.clamp(min=1).to(gradients_KN.dtype) ** -beta_decay, 0.0)
        tracked_KN = torch.lerp(state.tracked_KN, gradients_KN, beta_K[:, None])  # one pass over K networks

        weights_K = simplex.project(state.weights_K.to(torch.float64), open_K)
        slope_K = row_products(tracked_KN, tracked_KN).to(torch.float64) @ weights_K + rho * weights_K
        gamma_k = gamma * num_steps.to(torch.float64) ** -gamma_decay
        weights_K = simplex.project(weights_K - gamma_k * slope_K, open_K)
        kept_K = torch.where(open_K, weights_K.to(state.weights_K.dtype), state.weights_K)
        return weights_K.to(gradients_KN.dtype), MocoState(tracked_KN, kept_K, num_updates_K, num_steps)

    def tracked(state: MocoState, observation: Observation) -> Tensor:
        return state.tracked_KN

    return Method(init, update, unweighted, looks_at=("gradients",), gradients=tracked, at_features=False)
