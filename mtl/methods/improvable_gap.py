"""IGB: a task whose loss is far from done, measured against an early epoch, counts more.

Source: Dai et al., UAI 2023
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import epochs, masked
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_count


def improvable_gap(base_epoch: int = 1) -> Method[epochs.EpochMean]:
    """Improvable gap balancing, version 1 (Dai, Fei and Lu, UAI 2023).

    L = sum_t v_t log L_t,   v = K softmax_t(L_t / b_t) a constant,   so w_t = v_t / L_t

    b_t is the task's mean loss over the base epoch, until whose end v = 1; over the steps in which its gate is open,
    and for a task that is closed in all of it, L_t itself. We read the authors' code. Its version 2 learns v with an
    agent of reinforcement learning, and is left out.

    Args:
      base_epoch: counted from 0; 1, the second, in the authors' code.

    Example:
      Epochs of one step: then the gaps are 1 and 1/2.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(improvable_gap(base_epoch=0), observe(losses=[1.0, 2.0]), observe(losses=[1.0, 1.0]))
      tensor([[1.0000, 0.5000],
              [1.2449, 0.7551]])
    """
    check_count("improvable_gap.base_epoch", base_epoch, "[0, 1e9]")

    def update(state: epochs.EpochMean, observation: Observation) -> tuple[Tensor, epochs.EpochMean]:
        losses_K, open_K = observation.losses_K, observation.open_K
        is_over, mean_K, state = epochs.measure(state, observation, base_epoch)
        base_K = torch.where(mean_K > 0.0, mean_K, losses_K)
        gaps_K = open_K.sum() * masked.softmax(losses_K / base_K, open_K)
        return divide(torch.where(is_over, gaps_K, open_K.to(losses_K.dtype)), losses_K), state

    return Method(epochs.init_mean, update, needs_positive_losses=True)
