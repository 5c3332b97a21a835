"""DualProj: the mean gradient, projected to conflict with no task."""

from torch import Tensor

from mtl.methods.interface import Method, Observation
from mtl.methods.solvers import gramian_method, mean_weights, project_onto_dual_cone


def dual_proj() -> Method[tuple[()]]:
    """The projection of gradient episodic memory (Lopez-Paz and Ranzato, NeurIPS 2017), on the tasks' mean.

    w = argmin_v v^T M v  subject to  v >= 1 / K

    Then M w >= 0. In cosines instead of M, the diagonal is 1 + 1e-6, so that v is unique.
    """

    def weights(observation: Observation) -> Tensor:
        return project_onto_dual_cone(mean_weights(observation), observation)

    return gramian_method(weights)
