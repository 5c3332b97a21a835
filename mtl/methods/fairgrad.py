"""FairGrad: the direction whose gains to the tasks are shared alpha-fairly.

Source: Ban and Ji, ICML 2024
LibMTL: FairGrad
TorchJD: FairGrad
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import divide, gramian_method, open_gramian, regular_cosines
from mtl.methods.shared.options import check_number, is_as_coded
from mtl.methods.shared.solvers import NUM_STEPS, cholesky, cholesky_solve, positive_step


def fairgrad(alpha: float = 2.0, scale: str = "paper") -> Method[tuple[()]]:
    """Fair resource allocation (Ban and Ji, ICML 2024).

    M w = w^(-1 / alpha),  w > 0

    the stationary point of a convex problem, so unique for full rank. Each task's gain <g_t, d> = (M w)_t is positive.
    For M -> s M, w -> s^(-alpha / (1 + alpha)) w; one task alone has w = |g|^(-2 alpha / (1 + alpha)).

    Solved for v = |g| w, with p = 1 / alpha and C the cosines, where 1e-6 is added to the diagonal:
    C v = z, z v^p = |g|^(p - 1), by Newton's method on the second equation's logarithm, v and z kept positive.
    A task whose gradient is 0 has w = 0.

    Args:
      alpha: at least 0.25, below which so few steps may not reach the solution; 1 is proportional fairness (Nash-MTL),
        infinity max-min fairness. The authors' experiments use 2.
      scale: "paper": d itself; "code": K d, as in the authors' code.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(fairgrad(alpha=1.0), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.5000, 1.0000]])
    """
    alpha = check_number("fairgrad.alpha", alpha, "[0.25, inf)")
    power, as_coded = 1.0 / alpha, is_as_coded("fairgrad.scale", scale)

    def weights(observation: Observation) -> Tensor:
        weights_K = solve_shares(observation, power)
        return observation.open_K.sum() * weights_K if as_coded else weights_K

    return gramian_method(weights)


def solve_shares(observation: Observation, power: float, preferences_K: Tensor | None = None) -> Tensor:
    """w > 0 with M w = p w^(-power), 0 where the gradient is 0, as `fairgrad` says; p = 1 without preferences.

    Args:
      preferences_K: p, positive.

    Example:
      >>> from mtl.methods.base import observe
      >>> orthogonal = observe(gramian=[[4.0, 0.0], [0.0, 1.0]])
      >>> solve_shares(orthogonal, 1.0, preferences_K=torch.tensor([1.0, 4.0]).double()).float()
      tensor([0.5000, 2.0000])
    """
    cosines_KK, norms_K = regular_cosines(open_gramian(observation))
    log_right_K = (power - 1.0) * torch.where(norms_K > 0.0, norms_K, 1.0).log()
    log_right_K = log_right_K if preferences_K is None else log_right_K + preferences_K.log()
    # The solution for orthogonal gradients.
    v_K = z_K = torch.exp(log_right_K / (1.0 + power))
    for _ in range(NUM_STEPS):
        gap_K = z_K.log() + power * v_K.log() - log_right_K
        factor_KK = cholesky(cosines_KK + torch.diag(power * z_K / v_K))
        dv_K = cholesky_solve(factor_KK, z_K - cosines_KK @ v_K - z_K * gap_K)
        dz_K = cosines_KK @ (v_K + dv_K) - z_K
        step = positive_step(torch.cat([v_K, z_K]), torch.cat([dv_K, dz_K]))
        v_K, z_K = v_K + step * dv_K, z_K + step * dz_K
    return divide(v_K, norms_K)
