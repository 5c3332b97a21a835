"""CAGrad: near the mean gradient, the direction that does best by the task it serves worst.

Source: Liu et al., NeurIPS 2021
LibMTL: CAGrad
TorchJD: CAGrad
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, mean_weights, regular_gramian
from mtl.methods.shared.options import check_number, is_as_coded
from mtl.methods.shared.solvers import minimize_nonnegative


def cagrad(c: float = 0.4, scale: str = "paper") -> Method[tuple[()]]:
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021).

    d = argmax_d min_t <g_t, d>  subject to  |d - g_0| <= c |g_0|,  g_0 = mean_t g_t
      = g_0 + c |g_0| g_v / |g_v|,  v = argmin over the simplex of <g_v, g_0> + c |g_0| |g_v|,  g_v = sum_t v_t g_t

    so w = 1 / K + c |g_0| v / |g_v|. One task alone has w = 1 + c. M's diagonal counts 1 + 1e-6 times, which bounds w
    where g_v = 0.

    Args:
      c: radius of the ball around g_0, relative to |g_0|, in [0, 1); the paper's on NYU-v2.
      scale: "paper": d itself, about as long as the mean gradient, beside heads that take their own loss's whole
        gradient; "code": K d / (1 + c^2), as in the authors' code, "to match the sum loss".

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(cagrad(c=0.5), observe(gramian=[[1.0, 0.0], [0.0, 1.0]]))
      tensor([[0.7500, 0.7500]])
    """
    c, as_coded = check_number("cagrad.c", c, "[0, 1)"), is_as_coded("cagrad.scale", scale)

    def weights(observation: Observation) -> Tensor:
        found_K = conflict_averse(observation, c)
        return found_K * (observation.open_K.sum() / (1.0 + c**2)) if as_coded else found_K

    return gramian_method(weights)


def conflict_averse(
    observation: Observation, c: float, of_mean: Tensor | float = 1.0, of_length: Tensor | float = 1.0
) -> Tensor:
    """1 / K + c |g_0| v / |g_v|,  v = argmin over the simplex of a <g_v, g_0> + b c |g_0| |g_v|.

    Args:
      of_mean, of_length: a and b, at least 0 and not both 0; CAGrad's are 1.

    Example:
      >>> from mtl.methods.base import observe
      >>> conflict_averse(observe(gramian=[[1.0, 0.0], [0.0, 1.0]]), 0.5).float()
      tensor([0.7500, 0.7500])
    """
    gramian_KK, mean_K = regular_gramian(observation), mean_weights(observation)
    with_mean_K = gramian_KK @ mean_K
    radius = c * (with_mean_K @ mean_K).sqrt()

    def norm(weights_K: Tensor) -> Tensor:
        # The constant keeps the norm differentiable where a task's gradient is 0.
        return (weights_K @ gramian_KK @ weights_K + 1e-12).sqrt()

    def derivatives(weights_K: Tensor) -> tuple[Tensor, Tensor]:
        length = norm(weights_K)
        unit_K = gramian_KK @ weights_K / length
        hessian_KK = (gramian_KK - torch.outer(unit_K, unit_K)) * (of_length * radius / length)
        return of_mean * with_mean_K + of_length * radius * unit_K, hessian_KK

    worst_K = minimize_nonnegative(derivatives, observation.open_K, on_simplex=True)
    return mean_K + worst_K * (radius / norm(worst_K))
