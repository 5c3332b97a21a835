"""PCGrad: gradients that conflict are projected onto each other's normal plane.

Source: Yu et al., NeurIPS 2020
LibMTL: PCGrad
TorchJD: PCGrad
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import divide, gramian_method, open_gramian


def pcgrad() -> Method[tuple[()]]:
    """Projecting conflicting gradients (Yu et al., NeurIPS 2020).

    For each i: g_i' = g_i; over j != i in random order, if <g_i', g_j> < 0: g_i' <- g_i' - <g_i', g_j> / |g_j|^2 g_j.
    d = sum_i g_i'

    Row i of `coefficients_KK` holds g_i' in terms of the gradients, so that M is all it takes.

    Example:
      Two gradients that conflict.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(pcgrad(), observe(gramian=[[1.0, -1.0], [-1.0, 2.0]]))
      tensor([[2.0000, 1.5000]])
    """

    def weights(observation: Observation) -> Tensor:
        gramian_KK = open_gramian(observation)
        one_hots_KK = torch.eye(len(gramian_KK), dtype=gramian_KK.dtype, device=gramian_KK.device)
        coefficients_KK = one_hots_KK
        for other_K in random_orders(observation.uniforms_K).unbind(1):
            chosen_KK = one_hots_KK[other_K]
            inner_K = (coefficients_KK * gramian_KK[other_K]).sum(1)
            conflicts_K = (inner_K < 0.0) & (chosen_KK.diagonal() == 0.0)
            projection_K = torch.where(conflicts_K, divide(inner_K, gramian_KK.diagonal()[other_K]), 0.0)
            coefficients_KK = coefficients_KK - projection_K[:, None] * chosen_KK
        return torch.where(observation.open_K[:, None], coefficients_KK, 0.0).sum(0)

    return gramian_method(weights)


def random_orders(uniforms_K: Tensor) -> Tensor:
    """For each task i an order of all tasks, [K, K] int64: sorted by the fraction of 4096 (1 + u_i) u_j.

    The digits of u_j that count differ from i to i, so the orders do. They depend on no task's position: whether
    closed tasks are there or not, open ones are visited in the same order.

    Example:
      >>> random_orders(torch.tensor([0.1, 0.7, 0.4]))
      tensor([[2, 0, 1],
              [1, 2, 0],
              [1, 0, 2]])
    """
    uniforms_K = uniforms_K.to(torch.float64)
    return torch.argsort((4096.0 * (1.0 + uniforms_K[:, None]) * uniforms_K).frac(), dim=1, stable=True)
