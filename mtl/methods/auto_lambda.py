"""Auto-Lambda: weights that make a step on one half of the batch lower the losses on the other.

Source: Liu et al., TMLR 2022
LibMTL: AutoLambda
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned
from mtl.methods.shared.gramian import open_halves, open_weights
from mtl.methods.shared.learned import Learned
from mtl.methods.shared.options import check_number


def auto_lambda(initial: float = 0.1, learning_rate: float = 1e-4) -> Method[Learned]:
    """Auto-Lambda (Liu, James, Davison and Johns, TMLR 2022), with every task primary.

      theta' = theta - eta sum_t lambda_t g_t,   eta the network's learning rate
      lambda descends on sum_s L'_s(theta'), by Adam; then w = lambda

    g_t are gradients on the batch's first half, L'_s losses on its second, so
    d sum_s L'_s / d lambda_t = -eta <g_t, sum_s g'_s>. Weights do not sum to 1, and nothing keeps them positive.

    Our departures, which save three passes through the network: g'_s is taken at theta instead of theta', with the
    heads' part of the inner product left out; and the second half stands for the paper's validation split, so that
    the network learns from all data (`Observation.halves_KK` says how independent the halves are). The authors' theta'
    also takes the optimiser's momentum and weight decay along. LibMTL's Auto-Lambda is another rule: its weights are a
    softmax of what is learned.

    Args:
      initial: lambda in the first step.
      learning_rate: of lambda. The authors have 1e-4 for dense prediction, 3e-4 for CIFAR-100.

    Example:
      The first task's gradient agrees with the other half's, the second's does not.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(auto_lambda(learning_rate=0.01), observe(halves=[[2.0, 1.0], [-3.0, 1.0]]))
      tensor([[0.1100, 0.0900]])
    """
    initial = check_number("auto_lambda.initial", initial, "[0, inf)")
    learning_rate = check_number("auto_lambda.learning_rate", learning_rate, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> Learned:
        return learned.init(num_tasks, device, value=initial)

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        values_K = state.values_K
        gradient_K = (-observation.learning_rate * open_halves(observation).sum(1)).to(values_K.dtype)
        state = learned.update(state, gradient_K, observation.open_K, values_K.new_full((), learning_rate))
        return open_weights(state.values_K, observation), state

    return Method(init, update, looks_at=("halves",))
