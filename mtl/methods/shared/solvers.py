"""A solver that stays on the device, for problems with weights that are not negative.

Everything is float64 (K <= 40: cheap), takes a fixed number of steps and looks at no value on the host.
Shapes: K tasks, B problems that are solved side by side (the dimension may be absent).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mtl.methods.base import Observation
from mtl.methods.shared.gramian import divide, normalized_gramian, regular_cosines

NUM_STEPS = 30  # each divides mu by about 10; tests hold the optimum to it
STEP_RIDGE = 1e-12  # keeps Newton's matrix regular where f is flat; the optimum is not moved

Derivatives = Callable[[Tensor], tuple[Tensor, Tensor]]


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
