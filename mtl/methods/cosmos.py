"""COSMOS: the mean loss, and a reward for losses that point where the preferences do.

Source: Ruchte and Grabocka, ICDM 2021
TorchJD: COSMOS
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number


def cosmos(penalty: float = 1.0) -> Method[tuple[()]]:
    """The objective of COSMOS (Ruchte and Grabocka, ICDM 2021), with equal preferences r_t = 1 / K.

    L = sum_t r_t L_t - penalty cos(r, L),   so with u = L / |L|

    w_t = 1 / K - penalty / (sqrt(K) |L|) (1 - u_t sum_s u_s)

    The cosine rewards equal losses: w is smaller for a small loss, and negative where the reward for letting that loss
    rise is larger than 1 / K. Our departure: the paper draws r anew in each step and gives it to the network as an
    input, to learn the whole Pareto front in one network; ours learns its one point.

    Args:
      penalty: lambda, at least 0; 0 is the mean. The paper's are 0.01 to 8, by data set.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(cosmos(penalty=2.0), observe(losses=[3.0, 4.0]))
      tensor([[0.4547, 0.5339]])
    """
    penalty = check_number("cosmos.penalty", penalty, "[0, inf)")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        losses_K = torch.where(observation.open_K, observation.losses_K, 0.0)
        num_open = observation.open_K.sum().to(losses_K.dtype)
        length = torch.linalg.vector_norm(losses_K)
        units_K = divide(losses_K, length)
        # 1 - u_t sum_s u_s as a sum of differences, which is 0 where all losses are equal, without rounding.
        away_K = (units_K * (units_K - units_K[:, None])).sum(1)
        weights_K = 1.0 / num_open - divide(penalty * away_K, num_open.sqrt() * length)
        return torch.where(observation.open_K, weights_K, 0.0), state

    return Method(no_state, update)
