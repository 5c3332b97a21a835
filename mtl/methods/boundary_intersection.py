"""Boundary intersection: the losses' common part, and a penalty on how far apart they are.

Source: Zhang and Li, IEEE TEVC 2007
TorchJD: PBI
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number


def boundary_intersection(theta: float = 5.0) -> Method[tuple[()]]:
    """PBI, a scalarisation of MOEA/D (Zhang and Li, IEEE Trans. Evol. Comput. 2007), with equal preferences.

    L = d_1 + theta d_2,   d_1 = sum_t L_t / sqrt(K),   d_2 = |L - mean L|,   so

    w_t = 1 / sqrt(K) + theta (L_t - mean L) / d_2

    d_1 is the length of the losses along the ray on which all are equal, d_2 their distance from it; the ideal point is
    0, the infimum of a cross-entropy. The second term of w has length theta whatever the distance: w is negative for
    losses well below the mean, which rise to the others'. Where d_2 = 0 it is taken for 0.

    Args:
      theta: at least 0; 0 is the mean, up to a factor. The paper's is 5.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(boundary_intersection(theta=2.0), observe(losses=[1.0, 3.0]))
      tensor([[-0.7071,  2.1213]])
    """
    theta = check_number("boundary_intersection.theta", theta, "[0, inf)")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        losses_K, open_K = observation.losses_K, observation.open_K
        num_open = open_K.sum().to(losses_K.dtype)
        # L_t - mean L as a mean of differences, which is 0 where all losses are equal, without rounding.
        both_open_KK = open_K & open_K[:, None]
        above_K = torch.where(both_open_KK, losses_K[:, None] - losses_K, 0.0).sum(1) / num_open
        weights_K = num_open.rsqrt() + theta * divide(above_K, torch.linalg.vector_norm(above_K))
        return torch.where(open_K, weights_K, 0.0), state

    return Method(no_state, update)
