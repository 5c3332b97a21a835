"""IMTL-G: the direction whose projections onto all gradients are equal.

Source: Liu et al., ICLR 2021 (IMTL-G)
TorchJD: IMTLG
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import cosines_and_norms, divide, gramian_method, open_gramian, rank_tolerance


def imtl_g() -> Method[tuple[()]]:
    """Impartial multi-task learning, the shared part (Liu et al., ICLR 2021).

    <g_t / |g_t|, d> is the same for all t, and sum_t w_t = 1:  w proportional to M^-1 sqrt(diag M)

    Weights may be negative. With C the cosines, M^-1 sqrt(diag M) = (C^-1 1) / |g|, and C^-1 becomes the pseudo-inverse
    where gradients are linearly dependent. Where no direction has equal projections, or the w sum to 0, w = 0.

    Example:
      Of orthogonal gradients the weights are proportional to 1 / |g|.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(imtl_g(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.3333, 0.6667]])
    """

    def weights(observation: Observation) -> Tensor:
        _, norms_K, coefficients_K = equal_cosines(observation)
        raw_K = divide(coefficients_K, norms_K)
        defined = raw_K.sum().abs() > rank_tolerance(observation) * raw_K.abs().sum()
        return divide(raw_K, torch.where(defined, raw_K.sum(), 0.0))

    return gramian_method(weights)


def equal_cosines(observation: Observation) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients a of the unit gradients whose sum has the same cosine to each: a = C^+ 1.

    Returns:
      (cosines_KK, norms_K, a [K]: 0 where the ones are orthogonal to the range of C, in which case no such sum exists).

    Example:
      >>> from mtl.methods.base import observe
      >>> cosines_KK, norms_K, coefficients_K = equal_cosines(observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      >>> norms_K, coefficients_K
      (tensor([2., 1.], dtype=torch.float64), tensor([1., 1.], dtype=torch.float64))
    """
    cosines_KK, norms_K = cosines_and_norms(open_gramian(observation))
    ones_K = (norms_K > 0.0).to(norms_K.dtype)
    tolerance = rank_tolerance(observation)
    eigenvalues_K, vectors_KK = torch.linalg.eigh(cosines_KK)
    kept_K = eigenvalues_K > tolerance * eigenvalues_K[-1]
    coefficients_K = vectors_KK @ torch.where(kept_K, (ones_K @ vectors_KK) / eigenvalues_K, 0.0)
    return cosines_KK, norms_K, torch.where(ones_K @ coefficients_K > tolerance, coefficients_K, 0.0)
