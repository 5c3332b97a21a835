"""AuxiNash: the tasks bargain for the direction, with unequal bargaining power.

Source: Shamsian et al., ICML 2023
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.fairgrad import solve_shares
from mtl.methods.shared.gramian import open_weights
from mtl.methods.shared.heads import head_weights
from mtl.methods.shared.options import check_weights, given_weights

LEAST = 1e-4


def auxinash(preferences: tuple[float, ...] = (), heads: str = "own") -> Method[Tensor]:
    """The asymmetric Nash bargaining solution (Shamsian et al., ICML 2023).

    d = argmax_d sum_t p_t log <g_t, d> in a ball, whose solution is d = G^T w with  M w = p / w,  w > 0

    p_t is at least 1e-4 and scaled so that the open tasks' sum to their number; with equal ones it is Nash-MTL. We read
    the authors' code. It learns p as well, from a main task's validation loss, with hypergradients through the inverse
    of the network's Hessian; that is left out: p is given and constant. It cuts |d| at 1, which is sqrt(K) here.

    Args:
      preferences: p, one for each task, in the order of the tasks, at least 0 and not all 0; () for equal ones.
      heads: "own": they keep their own gradients; "weighted": times w_t, as in the authors' code.

    Example:
      Of orthogonal gradients w_t = sqrt(p_t) / |g_t|, with p = (0.4, 1.6).
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(auxinash(preferences=(1.0, 4.0)), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.3162, 1.2649]])
    """
    preferences = check_weights("auxinash.preferences", preferences)
    rule = head_weights("auxinash.heads", heads)

    def init(num_tasks: int, device: torch.device) -> Tensor:
        return given_weights("auxinash.preferences", preferences, num_tasks, device)

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        open_K = observation.open_K
        raised_K = torch.where(open_K, state.to(torch.float64), 0.0).clamp(min=LEAST)
        shares_K = raised_K * (open_K.sum() / torch.where(open_K, raised_K, 0.0).sum())
        return open_weights(solve_shares(observation, 1.0, shares_K), observation), state

    return Method(init, update, rule, looks_at=("gramian",))
