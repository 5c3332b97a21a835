"""Aligned-MTL: the gradients are made orthogonal and equally long before they are averaged.

Source: Senushkin et al., CVPR 2023
LibMTL: Aligned_MTL
TorchJD: AlignedMTL
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, mean_weights, normalized_gramian, rank_tolerance


def aligned_mtl() -> Method[tuple[()]]:
    """Independent component alignment (Senushkin et al., CVPR 2023).

    w = sqrt(lambda_min) V Lambda^(-1/2) V^T w_0,  M = V Lambda V^T

    over the eigenvalues that are not 0, lambda_min the least of them: the gradients' matrix gets condition number 1.
    w_0 = 1 / K, as in TorchJD; the authors' code has w_0 = 1. Weights may be negative. Where the least eigenvalue
    falls to rounding, the next one takes its place and |d| jumps up: near a Pareto point, that is. This is the authors'
    scale mode "min", their default; their "median" and "rmse", which put another eigenvalue for lambda_min, are left
    out.

    Example:
      Orthogonal gradients of lengths 2 and 1: both are made as long as the shorter, then averaged.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(aligned_mtl(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2500, 0.5000]])
    """

    def weights(observation: Observation) -> Tensor:
        eigenvalues_K, vectors_KK = torch.linalg.eigh(normalized_gramian(observation))
        kept_K = eigenvalues_K > rank_tolerance(observation) * eigenvalues_K[-1]
        smallest = torch.where(kept_K, eigenvalues_K, torch.inf).amin()
        shrink_K = torch.where(kept_K, (smallest / eigenvalues_K).sqrt(), 0.0)
        return vectors_KK @ (shrink_K * (mean_weights(observation) @ vectors_KK))

    return gramian_method(weights)
