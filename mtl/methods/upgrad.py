"""UPGrad: every gradient is projected to conflict with no task, then the mean is taken.

Source: Quinton and Rey, 2024
LibMTL: UPGrad
TorchJD: UPGrad
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, mean_weights
from mtl.methods.shared.solvers import project_onto_dual_cone


def upgrad() -> Method[tuple[()]]:
    """Unconflicting projection of gradients (Quinton and Rey, "Jacobian descent", 2024).

    w = sum_i v_i,  v_i = argmin_v v^T M v  subject to  v >= e_i / K

    Then M w >= 0. In cosines instead of M, the diagonal is 1 + 1e-6, so that v is unique.

    Example:
      Two gradients that conflict: each is projected, then the mean is taken.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(upgrad(), observe(gramian=[[1.0, -1.0], [-1.0, 2.0]]))
      tensor([[1.0000, 0.7500]])
    """

    def weights(observation: Observation) -> Tensor:
        projected_KK = project_onto_dual_cone(mean_weights(observation).diag(), observation)
        return torch.where(observation.open_K[:, None], projected_KK, 0.0).sum(0)

    return gramian_method(weights)
