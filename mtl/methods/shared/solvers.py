"""What the Gramian methods share: the Gramian of the open tasks, and a solver that stays on the device.

Everything is float64 (K <= 40: cheap), takes a fixed number of steps and looks at no value on the host.
Shapes: K tasks, B problems that are solved side by side (the dimension may be absent).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, known_gramian, known_halves, no_state, unweighted

NUM_STEPS = 30  # each divides mu by about 10; tests hold the optimum to it
# What may be added to the cosines' diagonal: the first, unless rounding made the Gramian indefinite by more than that.
RIDGES = range(-6, 3)  # powers of 10
STEP_RIDGE = 1e-12  # keeps Newton's matrix regular where f is flat; the optimum is not moved

Derivatives = Callable[[Tensor], tuple[Tensor, Tensor]]


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


def minimize_nonnegative(derivatives: Derivatives, open_BK: Tensor, on_simplex: bool = False) -> Tensor:
    """argmin f(x) over x >= 0, for convex f, by a primal-dual interior-point method (Nocedal and Wright 2006, 16.6).

    With z the multipliers of x >= 0 (and y that of sum x = 1), each step is Newton's on

      grad f(x) = z + y 1,   x_i z_i = mu,   mu = mean_i(x_i z_i) / 10,

    shortened where x or z would not stay positive.

    Args:
      derivatives: x_BK -> (gradient_BK, Hessian [K, K] or [B, K, K]), 0 off the diagonal at closed tasks; scaled to
        the order of 1.
      open_BK: bool; only open coordinates move, and closed ones are returned as 0.
      on_simplex: sum x = 1 as well.

    Example:
      >>> targets_K, identity_KK = torch.tensor([0.5, -3.0]).double(), torch.eye(2).double()
      >>> x_K = minimize_nonnegative(lambda x_K: (x_K - targets_K, identity_KK), torch.tensor([True, True]))
      >>> x_K.float().round(decimals=4)
      tensor([0.5000, 0.0000])
    """
    ones_BK = open_BK.to(torch.float64)
    num_open_B1 = ones_BK.sum(-1, keepdim=True)
    x_BK = torch.ones_like(ones_BK) / num_open_B1 if on_simplex else torch.ones_like(ones_BK)
    z_BK = torch.ones_like(ones_BK)
    for _ in range(NUM_STEPS):
        gradient_BK, hessian_BKK = derivatives(x_BK)
        mu_B1 = 0.1 * (ones_BK * x_BK * z_BK).sum(-1, keepdim=True) / num_open_B1
        if on_simplex:  # what is added is 0 on the simplex; f may be flat along x, as CAGrad's is
            hessian_BKK = hessian_BKK + ones_BK.unsqueeze(-1) * ones_BK.unsqueeze(-2)
        factor_BKK = cholesky(hessian_BKK + torch.diag_embed(z_BK / x_BK + STEP_RIDGE))
        dx_BK = cholesky_solve(factor_BKK, ones_BK * (mu_B1 / x_BK - gradient_BK))
        if on_simplex:
            across_BK = cholesky_solve(factor_BKK, ones_BK)
            excess_B1 = (ones_BK * (x_BK + dx_BK)).sum(-1, keepdim=True) - 1.0
            dx_BK = dx_BK - across_BK * excess_B1 / across_BK.sum(-1, keepdim=True)
        dz_BK = ones_BK * ((mu_B1 - z_BK * dx_BK) / x_BK - z_BK)
        step_B1 = positive_step(torch.cat([x_BK, z_BK], -1), torch.cat([dx_BK, dz_BK], -1))
        x_BK, z_BK = x_BK + step_B1 * dx_BK, z_BK + step_B1 * dz_BK
    return ones_BK * x_BK


def positive_step(values_BN: Tensor, directions_BN: Tensor) -> Tensor:
    """The largest step <= 1 along the directions that leaves of every positive value at least a hundredth, [B, 1].

    Example:
      >>> positive_step(torch.tensor([[1.0, 2.0]]), torch.tensor([[-1.98, 5.0]]))  # the first would fall to 0.01
      tensor([[0.5000]])
    """
    return 1.0 / torch.clamp((-directions_BN / values_BN).amax(-1, keepdim=True) / 0.99, min=1.0)


def cholesky(matrix_BKK: Tensor) -> Tensor:
    """The Cholesky factor; unlike `torch.linalg.cholesky`, without waiting for the device to report success.

    Example:
      >>> cholesky(torch.tensor([[4.0, 2.0], [2.0, 2.0]]))
      tensor([[2., 0.],
              [1., 1.]])
    """
    return torch.linalg.cholesky_ex(matrix_BKK)[0]


def cholesky_solve(factor_BKK: Tensor, right_BK: Tensor) -> Tensor:
    """x in A x = right, given the Cholesky factor of A.

    Example:
      >>> cholesky_solve(cholesky(torch.tensor([[4.0, 0.0], [0.0, 1.0]])), torch.tensor([8.0, 3.0]))
      tensor([2., 3.])
    """
    return torch.cholesky_solve(right_BK.unsqueeze(-1), factor_BKK).squeeze(-1)


def project_onto_dual_cone(weights_BK: Tensor, observation: Observation) -> Tensor:
    """Weights of the vector nearest to G^T u that conflicts with no task: argmin_v v^T M v subject to v >= u.

    The dual of min_d |d - G^T u|^2 subject to G d >= 0 (Lopez-Paz and Ranzato 2017, equations 11 and 12). Solved for
    x = |g| (v - u) >= 0 with the regular cosines for M.

    Args:
      weights_BK: u, 0 at closed tasks.

    Example:
      The first gradient conflicts with the sum of both; it comes to be orthogonal to what is found.
      >>> from mtl.methods.base import observe
      >>> conflict = observe(gramian=[[1.0, -2.0], [-2.0, 8.0]])
      >>> project_onto_dual_cone(torch.tensor([1.0, 1.0]).double(), conflict).float().round(decimals=3)
      tensor([2., 1.])
    """
    cosines_KK, norms_K = regular_cosines(normalized_gramian(observation))
    lower_BK = weights_BK * norms_K
    open_BK = observation.open_K.expand_as(weights_BK)
    x_BK = minimize_nonnegative(lambda x_BK: ((lower_BK + x_BK) @ cosines_KK, cosines_KK), open_BK)
    return weights_BK + divide(x_BK, norms_K)
