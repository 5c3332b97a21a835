"""DualProj: the mean gradient, projected to conflict with no task.

Source: Lopez-Paz and Ranzato, NeurIPS 2017
TorchJD: DualProj
"""

from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, mean_weights
from mtl.methods.shared.solvers import project_onto_dual_cone


def dual_proj() -> Method[tuple[()]]:
    """The projection of gradient episodic memory (Lopez-Paz and Ranzato, NeurIPS 2017), on the tasks' mean.

    w = argmin_v v^T M v  subject to  v >= 1 / K

    Then M w >= 0. In cosines instead of M, the diagonal is 1 + 1e-6, so that v is unique.

    Example:
      The mean conflicts with the first gradient, until that has three times the weight.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(dual_proj(), observe(gramian=[[1.0, -3.0], [-3.0, 10.0]]))
      tensor([[1.5000, 0.5000]])
    """

    def weights(observation: Observation) -> Tensor:
        return project_onto_dual_cone(mean_weights(observation), observation)

    return gramian_method(weights)
