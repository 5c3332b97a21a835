"""Aligned-MTL: the gradients are made orthogonal and equally long before they are averaged.

Source: Senushkin et al., CVPR 2023
LibMTL: Aligned_MTL
TorchJD: AlignedMTL
"""

import torch
from torch import Tensor

from mtl.errors import check_choice
from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, mean_weights, normalized_gramian, rank_tolerance

SCALES = ("min", "median", "rmse")


def aligned_mtl(scale: str = "min") -> Method[tuple[()]]:
    """Independent component alignment (Senushkin et al., CVPR 2023).

    w = sqrt(lambda) V Lambda^(-1/2) V^T w_0,  M = V Lambda V^T

    over the eigenvalues that are not 0, lambda the least of them: the gradients' matrix gets condition number 1.
    w_0 = 1 / K, as in TorchJD; the authors' code has w_0 = 1. Weights may be negative. Where the least eigenvalue
    falls to rounding, the next one takes its place and |d| jumps up: near a Pareto point, that is.

    Args:
      scale: lambda, of the eigenvalues that are not 0: "min", their least, the authors' default; their other modes
        "median" (the lower one of an even number, as torch's) and "rmse", the mean.

    Example:
      Orthogonal gradients of lengths 2 and 1: both are made as long as the shorter, then averaged.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(aligned_mtl(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2500, 0.5000]])
    """

    check_choice("aligned_mtl.scale", scale, SCALES)

    def weights(observation: Observation) -> Tensor:
        eigenvalues_K, vectors_KK = torch.linalg.eigh(normalized_gramian(observation))
        kept_K = eigenvalues_K > rank_tolerance(observation) * eigenvalues_K[-1]
        shrink_K = torch.where(kept_K, (_level(scale, eigenvalues_K, kept_K) / eigenvalues_K).sqrt(), 0.0)
        return vectors_KK @ (shrink_K * (mean_weights(observation) @ vectors_KK))

    return gramian_method(weights)


def _level(scale: str, eigenvalues_K: Tensor, kept_K: Tensor) -> Tensor:
    """What every eigenvalue that is kept becomes; they are in ascending order."""
    if scale == "rmse":
        return torch.where(kept_K, eigenvalues_K, 0.0).sum() / kept_K.sum()
    num_kept = kept_K.sum()
    place = len(eigenvalues_K) - num_kept + (0 if scale == "min" else (num_kept - 1) // 2)
    return eigenvalues_K.gather(0, place.clamp(max=len(eigenvalues_K) - 1).unsqueeze(0)).squeeze(0)
