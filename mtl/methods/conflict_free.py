"""ConFIG: the direction with the same cosine to every gradient, as long as they push along it.

Source: Liu et al., ICLR 2025
TorchJD: ConFIG
"""

from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.imtl_g import equal_cosines
from mtl.methods.shared.gramian import divide, gramian_method


def conflict_free() -> Method[tuple[()]]:
    """ConFIG, conflict-free inverse gradients (Liu, Chu and Thuerey, ICLR 2025).

    d = (sum_t <g_t, u>) u,  u = U^+ 1 / |U^+ 1|,  U the unit gradients

    On the Gramian: a = C^+ 1 with C the cosines, U^+ 1 = U^T a, |U^+ 1|^2 = a^T C a and
    w = (|g|^T C a) / (a^T C a) (a / |g|). With linearly independent gradients, <g_t, d> > 0 for all t, and d has the
    direction of IMTL-G. Where u is not defined, w = 0.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(conflict_free(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.7500, 1.5000]])
    """

    def weights(observation: Observation) -> Tensor:
        cosines_KK, norms_K, coefficients_K = equal_cosines(observation)
        inner_K = cosines_KK @ coefficients_K
        return divide(coefficients_K, norms_K) * divide(norms_K @ inner_K, coefficients_K @ inner_K)

    return gramian_method(weights)
