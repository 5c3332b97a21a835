"""UPGrad: every gradient is projected to conflict with no task, then the mean is taken."""

import torch
from torch import Tensor

from mtl.methods.interface import Method, Observation
from mtl.methods.solvers import gramian_method, mean_weights, project_onto_dual_cone


def upgrad() -> Method[tuple[()]]:
    """Unconflicting projection of gradients (Quinton and Rey, "Jacobian descent", 2024).

    w = sum_i v_i,  v_i = argmin_v v^T M v  subject to  v >= e_i / K

    Then M w >= 0. In cosines instead of M, the diagonal is 1 + 1e-6, so that v is unique.
    """

    def weights(observation: Observation) -> Tensor:
        projected_KK = project_onto_dual_cone(mean_weights(observation).diag(), observation)
        return torch.where(observation.open_K[:, None], projected_KK, 0.0).sum(0)

    return gramian_method(weights)
