"""GradVac: gradients that are less aligned than usual are turned towards each other.

Source: Wang et al., ICLR 2021
LibMTL: GradVac
TorchJD: GradVac
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, unweighted
from mtl.methods.pcgrad import random_orders
from mtl.methods.shared.gramian import divide, open_gramian, open_weights
from mtl.methods.shared.options import check_number

MIN_SINE = 1e-3  # bounds the correction where the target is to be parallel


def gradvac(beta: float = 0.01) -> Method[Tensor]:
    """Gradient Vaccine (Wang et al., ICLR 2021), over all shared parameters at once.

    For each i: g_i' = g_i; over j != i in random order, with phi = cos(g_i', g_j) and its target phi_ij:
      if phi < phi_ij:  g_i' <- g_i' + |g_i'| / |g_j| (phi_ij sqrt(1 - phi^2) / sqrt(1 - phi_ij^2) - phi) g_j
      phi_ij <- (1 - beta) phi_ij + beta phi
    d = sum_i g_i'

    The state is phi_ij, [K, K] float32, from 0 (where the first step is PCGrad's). Both roots are at least 1e-3.

    Args:
      beta: decay of the targets' moving average, in [0, 1].

    Example:
      In its first step it is PCGrad.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(gradvac(), observe(gramian=[[1.0, -1.0], [-1.0, 2.0]]))
      tensor([[2.0000, 1.5000]])
    """
    beta = check_number("gradvac.beta", beta, "[0, 1]")

    def init(num_tasks: int, device: torch.device) -> Tensor:
        return torch.zeros(num_tasks, num_tasks, device=device)

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        gramian_KK, targets_KK = open_gramian(observation), state.to(torch.float64)
        norms_K = gramian_KK.diagonal().sqrt()
        one_hots_KK = torch.eye(len(gramian_KK), dtype=gramian_KK.dtype, device=gramian_KK.device)
        coefficients_KK = one_hots_KK
        for other_K in random_orders(observation.uniforms_K).unbind(1):
            chosen_KK = one_hots_KK[other_K]
            counts_K = observation.open_K & observation.open_K[other_K] & (chosen_KK.diagonal() == 0.0)
            inner_K = (coefficients_KK * gramian_KK[other_K]).sum(1)
            norm_K = ((coefficients_KK @ gramian_KK) * coefficients_KK).sum(1).clamp(min=0.0).sqrt()
            cosine_K = divide(divide(inner_K, norm_K), norms_K[other_K]).clamp(-1.0, 1.0)
            target_K = (targets_KK * chosen_KK).sum(1)
            turn_K = target_K * _sine(cosine_K) / _sine(target_K) - cosine_K
            turns_K = counts_K & (cosine_K < target_K)
            added_K = torch.where(turns_K, divide(norm_K, norms_K[other_K]) * turn_K, 0.0)
            coefficients_KK = coefficients_KK + added_K[:, None] * chosen_KK
            moved_K = torch.where(counts_K, beta * (cosine_K - target_K), 0.0)
            targets_KK = targets_KK + moved_K[:, None] * chosen_KK
        weights_K = torch.where(observation.open_K[:, None], coefficients_KK, 0.0).sum(0)
        return open_weights(weights_K, observation), targets_KK.to(state.dtype)

    return Method(init, update, unweighted, looks_at=("gramian",))


def _sine(cosine: Tensor) -> Tensor:
    return (1.0 - cosine.square()).clamp(min=MIN_SINE**2).sqrt()
