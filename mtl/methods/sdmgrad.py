"""SDMGrad: a direction between MGDA's and the mean gradient, from two samples.

Source: Xiao et al., NeurIPS 2023
LibMTL: SDMGrad
TorchJD: SDMGrad
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, mean_weights, open_halves, regular_gramian
from mtl.methods.shared.options import check_number, is_as_coded
from mtl.methods.shared.solvers import minimize_nonnegative


def sdmgrad(regularization: float = 0.3, scale: str = "paper") -> Method[tuple[()]]:
    """Stochastic direction-oriented multi-objective gradient descent (Xiao, Ban and Ji, NeurIPS 2023).

      w = argmin over the simplex of (w + lambda u)^T A (w + lambda u),   A = G_1 G_2^T,   u = 1 / K
      d = (G^T w + lambda g_0) / (1 + lambda),   g_0 = G^T u the mean gradient

    G_1 and G_2 are the gradients on the two halves of the batch (`Observation.halves_KK` says how independent), so that
    the mean of the objective is |G^T w + lambda g_0|^2 of the mean gradients. G is the whole batch's, where the paper
    takes a third sample.

    To the objective only A's symmetric part counts. Its noise may give that negative eigenvalues, which no Gramian has;
    the lowest tells how large the noise is, and every eigenvalue below its size is raised to it. So where the halves
    only contradict each other, w = u, and where they agree, the problem is as it stands.

    Our departure: the problem is solved in every step, and nothing is remembered. The authors' code takes 20 projected
    steps of size 10 (LibMTL: 5) with momentum 0.5 from the last w, on A over (mean_t sqrt(A_tt + 1e-4))^2. They do not
    settle, nor do steps of size 1 where gradients are opposed or of unlike length (tests/methods/test_sdmgrad.py). That
    a negative A_tt counts as 0 is LibMTL's; the authors have no such clamp, and their three samples share one tensor,
    which makes A symmetric.

    Args:
      regularization: lambda; 0 is MGDA's problem, large the mean gradient. The authors' scripts have 0.3.
      scale: "paper": d itself; "code": K d, as in the authors' code.

    Example:
      Without lambda and noise it is MGDA.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(sdmgrad(regularization=0.0), observe(halves=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2000, 0.8000]])
    """
    regularization = check_number("sdmgrad.regularization", regularization, "[0, inf)")
    as_coded = is_as_coded("sdmgrad.scale", scale)

    def weights(observation: Observation) -> Tensor:
        denoised_KK = _raise_to_noise(open_halves(observation))
        gramian_KK = regular_gramian(observation._replace(gramian_KK=denoised_KK)) / (1.0 + regularization)
        mean_K = regularization * mean_weights(observation)
        weights_K = minimize_nonnegative(
            lambda weights_K: (gramian_KK @ (weights_K + mean_K), gramian_KK), observation.open_K, on_simplex=True
        )
        found_K = (weights_K + mean_K) / (1.0 + regularization)
        return observation.open_K.sum() * found_K if as_coded else found_K

    return gramian_method(weights)._replace(looks_at=("halves",))


def _raise_to_noise(halves_KK: Tensor) -> Tensor:
    """The symmetric part, with eigenvalues of at least -lambda_min: V max(Lambda, -lambda_min) V^T."""
    eigenvalues_K, vectors_KK = torch.linalg.eigh((halves_KK + halves_KK.T) / 2.0)
    noise = (-eigenvalues_K[0]).clamp(min=0.0)
    roots_KK = vectors_KK * eigenvalues_K.clamp(min=noise).sqrt()
    return roots_KK @ roots_KK.T  # of roots, so that rounding leaves no negative diagonal
