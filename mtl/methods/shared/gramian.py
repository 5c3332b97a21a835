"""What the Gramian methods share: the Gramian of the open tasks, and what is made of it.

Everything is float64 (K <= 40: cheap) and looks at no value on the host.
Shapes: K tasks.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, known_gramian, known_halves, no_state, unweighted

# What may be added to the cosines' diagonal: the first, unless rounding made the Gramian indefinite by more than that.
RIDGES = range(-6, 3)  # powers of 10


def gramian_method(weights: Callable[[Observation], Tensor]) -> Method[tuple[()]]:
    """The method without state that returns weights(observation), of the Gramian; heads keep their own gradients.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> inverse = gramian_method(lambda observation: 1.0 / open_gramian(observation).diagonal())
      >>> try_out(inverse, observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2500, 1.0000]])
    """

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return open_weights(weights(observation), observation), state

    return Method(no_state, update, unweighted, looks_at=("gramian",))


def open_weights(weights_K: Tensor, observation: Observation) -> Tensor:
    """The weights at open tasks and 0 at closed ones, in the losses' type.

    Example:
      >>> from mtl.methods.base import observe
      >>> open_weights(torch.tensor([0.5, 0.5]), observe(losses=[1.0, 1.0], is_open=[True, False]))
      tensor([0.5000, 0.0000])
    """
    return torch.where(observation.open_K, weights_K, 0.0).to(observation.losses_K.dtype)


def open_gramian(observation: Observation) -> Tensor:
    """M in float64, exactly symmetric, 0 at rows and columns of closed tasks.

    Example:
      >>> from mtl.methods.base import observe
      >>> open_gramian(observe(gramian=[[4.0, 1.0], [1.0, 1.0]], is_open=[True, False])).tolist()
      [[4.0, 0.0], [0.0, 0.0]]
    """
    both_open_KK = observation.open_K & observation.open_K[:, None]
    gramian_KK = known_gramian(observation).to(torch.float64)
    return torch.where(both_open_KK, (gramian_KK + gramian_KK.T) / 2.0, 0.0)


def open_halves(observation: Observation) -> Tensor:
    """<g_i, g'_j> of the batch's halves in float64, 0 at rows and columns of closed tasks. Not symmetric.

    Example:
      >>> from mtl.methods.base import observe
      >>> open_halves(observe(halves=[[4.0, 2.0], [1.0, 1.0]], is_open=[True, False])).tolist()
      [[4.0, 0.0], [0.0, 0.0]]
    """
    both_open_KK = observation.open_K & observation.open_K[:, None]
    return torch.where(both_open_KK, known_halves(observation).to(torch.float64), 0.0)


def normalized_gramian(observation: Observation) -> Tensor:
    """The open Gramian divided by the open tasks' mean squared norm.

    Example:
      >>> from mtl.methods.base import observe
      >>> normalized_gramian(observe(gramian=[[6.0, 1.0], [1.0, 2.0]])).tolist()
      [[1.5, 0.25], [0.25, 0.5]]
    """
    gramian_KK = open_gramian(observation)
    return divide(gramian_KK, gramian_KK.diagonal().sum() / observation.open_K.sum())


def mean_weights(observation: Observation) -> Tensor:
    """1 / number of open tasks at open ones, else 0: g_0 = mean g_i.

    Example:
      >>> from mtl.methods.base import observe
      >>> mean_weights(observe(losses=[1.0, 1.0, 1.0], is_open=[True, False, True])).tolist()
      [0.5, 0.0, 0.5]
    """
    return observation.open_K.to(torch.float64) / observation.open_K.sum()


def cosines_and_norms(gramian_KK: Tensor) -> tuple[Tensor, Tensor]:
    """C_ij = <g_i, g_j> / (|g_i| |g_j|), and |g_i|. A zero gradient (a closed task's too) is orthogonal to all others.

    Well scaled even where gradients differ by orders of magnitude.

    Returns:
      (cosines_KK, with a diagonal of 1; norms_K).

    Example:
      >>> cosines_and_norms(torch.tensor([[4.0, 1.0], [1.0, 1.0]]))
      (tensor([[1.0000, 0.5000],
              [0.5000, 1.0000]]), tensor([2., 1.]))
    """
    norms_K = gramian_KK.diagonal().sqrt()
    cosines_KK = divide(divide(gramian_KK, norms_K), norms_K[:, None])
    is_diagonal_KK = torch.eye(len(norms_K), dtype=torch.bool, device=norms_K.device)
    return cosines_KK.masked_fill(is_diagonal_KK, 1.0), norms_K


def regular_cosines(gramian_KK: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and norms, with the cosines positive definite, so that weights are unique for any gradients.

    1e-6 is added to the diagonal; or, where half of that is not enough (found by Cholesky's method, whose verdict
    stays on the device), the first of 1e-5, 1e-4, ... of which half is.

    Example:
      >>> parallel_KK = torch.ones(2, 2).double()  # no Cholesky factor
      >>> (regular_cosines(parallel_KK)[0] - parallel_KK).float()
      tensor([[1.0000e-06, 0.0000e+00],
              [0.0000e+00, 1.0000e-06]])
    """
    cosines_KK, norms_K = cosines_and_norms(gramian_KK)
    identity_KK = torch.eye(len(norms_K), dtype=norms_K.dtype, device=norms_K.device)
    # Made on the device: `torch.tensor` would copy there, and wait for the copy.
    ridges_R = torch.logspace(RIDGES[0], RIDGES[-1], len(RIDGES), dtype=norms_K.dtype, device=norms_K.device)
    failures_R = torch.linalg.cholesky_ex(cosines_KK + 0.5 * ridges_R[:, None, None] * identity_KK)[1]
    return cosines_KK + torch.where(failures_R == 0, ridges_R, torch.inf).amin() * identity_KK, norms_K


def regular_gramian(observation: Observation) -> Tensor:
    """The normalised Gramian of those cosines and norms: M + 1e-6 diag M.

    Example:
      >>> from mtl.methods.base import observe
      >>> regular_gramian(observe(gramian=[[3.0, 0.0], [0.0, 1.0]])).float()
      tensor([[1.5000, 0.0000],
              [0.0000, 0.5000]])
    """
    cosines_KK, norms_K = regular_cosines(normalized_gramian(observation))
    return cosines_KK * norms_K * norms_K[:, None]


def divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The quotient; 0 where the denominator is 0.

    Example:
      >>> divide(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0]))
      tensor([0.5000, 0.0000])
    """
    is_zero = denominator == 0.0
    return torch.where(is_zero, 0.0, numerator / torch.where(is_zero, 1.0, denominator))


def rank_tolerance(observation: Observation) -> Tensor:
    """Eigenvalues up to this, relative to the largest, are rounding: 10 K epsilon, of the open tasks and M's type.

    Example:
      >>> from mtl.methods.base import observe
      >>> rank_tolerance(observe(gramian=[[3.0, 0.0], [0.0, 1.0]]))
      tensor(2.3842e-06)
    """
    return 10.0 * observation.open_K.sum() * torch.finfo(known_gramian(observation).dtype).eps
