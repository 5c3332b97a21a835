"""MoDo: MGDA, one step at a time, on two samples.

Source: Chen et al., NeurIPS 2023
LibMTL: MoDo
TorchJD: MoDo
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, unweighted
from mtl.methods.shared import simplex
from mtl.methods.shared.gramian import open_halves, open_weights
from mtl.methods.shared.options import check_number


def modo(gamma: float = 0.1, rho: float = 0.1) -> Method[Tensor]:
    """Multi-objective gradient with double sampling (Chen, Fernando, Ying and Chen, NeurIPS 2023).

      lambda <- Proj(lambda - gamma (G_1 G_2^T + rho I) lambda)
      d = G^T lambda

    G_1 and G_2 are the gradients on the two halves of the batch. Were they independent (`Observation.halves_KK` says
    how far they are), the mean of G_1 G_2^T would be the Gramian of the mean gradients, to which G G^T of one sample
    adds the covariance of its noise. G is the whole batch's, the mean of both, as in the paper; the authors' code takes
    the sum of both, LibMTL a third sample. Proj projects onto the simplex of the open tasks. lambda starts at 1 / K; a
    closed task's stands still.

    Args:
      gamma: step size, in units of 1 / |g|^2; the authors' code has 0.1 (LibMTL: 0.001).
      rho: L2 coefficient; the authors' code has 0.1.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(modo(), observe(halves=[[4.0, 1.0], [-1.0, 2.0]]))
      tensor([[0.4000, 0.6000]])
    """
    gamma = check_number("modo.gamma", gamma, "(0, inf)")
    rho = check_number("modo.rho", rho, "[0, inf)")

    def init(num_tasks: int, device: torch.device) -> Tensor:
        return simplex.uniform(num_tasks, device)

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        weights_K = simplex.project(state.to(torch.float64), observation.open_K)
        slope_K = open_halves(observation) @ weights_K + rho * weights_K
        weights_K = simplex.project(weights_K - gamma * slope_K, observation.open_K)
        new_state = torch.where(observation.open_K, weights_K.to(state.dtype), state)
        return open_weights(weights_K, observation), new_state

    return Method(init, update, unweighted, looks_at=("halves",))
