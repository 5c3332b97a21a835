"""IMGrad: CAGrad that heeds the worst task more, the less the mean gradient agrees with MGDA's.

Source: Zhou et al., IJCAI 2025
"""

from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.cagrad import conflict_averse
from mtl.methods.shared.gramian import divide, gramian_method, mean_weights, regular_gramian
from mtl.methods.shared.options import check_number, is_as_coded
from mtl.methods.shared.solvers import minimize_nonnegative


def imgrad(c: float = 0.8, scale: str = "paper") -> Method[tuple[()]]:
    """Imbalance-sensitive gradient descent (Zhou et al., IJCAI 2025), by the authors' code for NYU-v2.

    d = g_0 + c |g_0| g_v / |g_v|,   g_v = sum_t v_t g_t,   g_0 = mean_t g_t
    v = argmin over the simplex of (1.5 - s) <g_v, g_0> + s c |g_0| |g_v|,   s = cos(g_0, MGDA's direction)

    CAGrad's two terms, weighted by how far the mean gradient is from balanced: where s = 3/4 it is CAGrad. Where MGDA
    finds no direction, s = 0 and the task that g_0 serves worst has v = 1. We read the code, not the paper's text.

    Args:
      c: radius of the ball around g_0, relative to |g_0|, in [0, 1); 0.8 in the authors' script.
      scale: "paper": d itself; "code": K d / (1 + c^2), as in the authors' code.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(imgrad(c=0.5), observe(gramian=[[1.0, 0.0], [0.0, 1.0]]))
      tensor([[0.7500, 0.7500]])
    """
    c, as_coded = check_number("imgrad.c", c, "[0, 1)"), is_as_coded("imgrad.scale", scale)

    def weights(observation: Observation) -> Tensor:
        gramian_KK, mean_K = regular_gramian(observation), mean_weights(observation)
        shortest_K = minimize_nonnegative(
            lambda weights_K: (gramian_KK @ weights_K, gramian_KK), observation.open_K, on_simplex=True
        )
        squares = (mean_K @ gramian_KK @ mean_K) * (shortest_K @ gramian_KK @ shortest_K)
        cosine = divide(mean_K @ gramian_KK @ shortest_K, squares.clamp(min=0.0).sqrt()).clamp(0.0, 1.0)
        found_K = conflict_averse(observation, c, of_mean=1.5 - cosine, of_length=cosine)
        return found_K * (observation.open_K.sum() / (1.0 + c**2)) if as_coded else found_K

    return gramian_method(weights)
