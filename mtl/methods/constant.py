"""Fixed weights: the mean of the losses, or what the user says.

Source: given weights; the mean
TorchJD: Constant, Mean
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_weights, given_weights


def constant(weights: tuple[float, ...] = ()) -> Method[Tensor]:
    """Linear scalarisation: L = sum_t w_t L_t with fixed w; without any, the mean, w = 1 / K.

    The state is w, which never changes (all 1 for the mean, which is divided by the number of open tasks in each
    step). A closed task leaves the others' given weights as they are.

    Args:
      weights: one for each task, in the order of the tasks, at least 0 and not all 0; () for the mean.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(constant(weights=(3.0, 0.5)), observe(losses=[1.0, 9.0]))
      tensor([[3.0000, 0.5000]])
    """
    weights = check_weights("constant.weights", weights)

    def init(num_tasks: int, device: torch.device) -> Tensor:
        return given_weights("constant.weights", weights, num_tasks, device)

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        weights_K = torch.where(observation.open_K, state, 0.0).to(observation.losses_K.dtype)
        return weights_K if weights else divide(weights_K, weights_K.sum()), state

    return Method(init, update, looks_at=())
