"""MGDA: the shortest vector in the convex hull of the gradients.

Source: Désidéri 2012; Sener and Koltun, NeurIPS 2018
LibMTL: MGDA
TorchJD: MGDA
"""

from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, regular_gramian
from mtl.methods.shared.solvers import minimize_nonnegative


def mgda() -> Method[tuple[()]]:
    """Multiple-gradient descent algorithm (Désidéri, C. R. Math. 2012; Sener and Koltun, NeurIPS 2018).

    w = argmin_w w^T M w  subject to  w >= 0, sum_t w_t = 1

    Then M w >= w^T M w: the direction descends for every task, or is 0 where no such direction exists. Where several w
    are optimal, the one with the least sum_t M_tt w_t^2: M_tt counts 1 + 1e-6 times.

    Departures from Sener and Koltun's code: it can divide g_t by a normaliser before it solves for w, and its settings
    for CelebA do, by L_t |g_t| ("loss+"); here g_t is as it is. Its heads are weighted by w, too, since it goes back
    through sum_t w_t L_t; here they keep their own gradients.

    Example:
      Of orthogonal gradients the weights are proportional to 1 / |g|^2.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(mgda(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2000, 0.8000]])
    """

    def weights(observation: Observation) -> Tensor:
        gramian_KK = regular_gramian(observation)
        return minimize_nonnegative(
            lambda weights_K: (gramian_KK @ weights_K, gramian_KK), observation.open_K, on_simplex=True
        )

    return gramian_method(weights)
