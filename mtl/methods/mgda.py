"""MGDA: the shortest vector in the convex hull of the gradients.

Source: Désidéri 2012; Sener and Koltun, NeurIPS 2018
LibMTL: MGDA
TorchJD: MGDA
"""

import torch
from torch import Tensor

from mtl.errors import check_choice
from mtl.methods.base import Look, Method, Observation
from mtl.methods.shared.gramian import divide, gramian_method, open_gramian, regular_gramian
from mtl.methods.shared.heads import head_weights
from mtl.methods.shared.solvers import minimize_nonnegative

NORMALIZERS = ("none", "l2", "loss", "loss+")


def mgda(normalizer: str = "none", heads: str = "own") -> Method[tuple[()]]:
    """Multiple-gradient descent algorithm (Désidéri, C. R. Math. 2012; Sener and Koltun, NeurIPS 2018).

    w = argmin_w |sum_t w_t g_t / n_t|^2  subject to  w >= 0, sum_t w_t = 1;   d = sum_t w_t g_t

    With n_t = 1, M w >= w^T M w: the direction descends for every task, or is 0 where no such direction exists. Where
    several w are optimal, the one with the least sum_t M_tt w_t^2 / n_t^2: M_tt counts 1 + 1e-6 times.

    The defaults are the paper's rule. Sener and Koltun's code for CelebA is `normalizer="loss+", heads="weighted"`.
    PSMGD (Xu et al., AAAI 2025) keeps w for some steps: that is `gradients.every`, at the parameters.

    Args:
      normalizer: n_t, of the problem alone, not of d: "none" 1, "l2" |g_t|, "loss" L_t, "loss+" L_t |g_t|.
      heads: "own": they keep their own gradients; "weighted": times w_t, as where one goes back through sum_t w_t L_t.

    Example:
      Of orthogonal gradients the weights are proportional to 1 / |g|^2.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(mgda(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2000, 0.8000]])
      >>> try_out(mgda(normalizer="l2"), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.5000, 0.5000]])
    """
    check_choice("mgda.normalizer", normalizer, NORMALIZERS)
    rule, by_losses = head_weights("mgda.heads", heads), normalizer.startswith("loss")

    def normalized(observation: Observation) -> Observation:
        gramian_KK, norms_K = open_gramian(observation), torch.ones_like(observation.losses_K, dtype=torch.float64)
        if by_losses:
            norms_K = observation.losses_K.to(torch.float64)
        if normalizer in ("l2", "loss+"):
            norms_K = norms_K * gramian_KK.diagonal().sqrt()
        return observation._replace(gramian_KK=divide(divide(gramian_KK, norms_K), norms_K[:, None]))

    def weights(observation: Observation) -> Tensor:
        gramian_KK = regular_gramian(observation if normalizer == "none" else normalized(observation))
        return minimize_nonnegative(
            lambda weights_K: (gramian_KK @ weights_K, gramian_KK), observation.open_K, on_simplex=True
        )

    looks_at: tuple[Look, ...] = ("losses", "gramian") if by_losses else ("gramian",)
    return gramian_method(weights)._replace(head_weights=rule, looks_at=looks_at, needs_positive_losses=by_losses)
