"""Geometric mean: the losses are multiplied instead of added.

Source: Chennupati et al., CVPR workshops 2019
LibMTL: GLS
TorchJD: GeometricMean
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared import masked


def geometric() -> Method[tuple[()]]:
    """GLS (Chennupati et al., CVPR workshops 2019).

    L = (prod_t L_t)^(1/K) = exp(mean_t log L_t),   so w_t = L / (K L_t)

    Computed from logarithms: a product of 40 losses underflows float32.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(geometric(), observe(losses=[1.0, 4.0]))
      tensor([[1.0000, 0.2500]])
    """

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        open_K, log_losses_K = observation.open_K, torch.log(observation.losses_K)
        weights_K = torch.exp(masked.mean(log_losses_K, open_K) - log_losses_K) / open_K.sum()
        return torch.where(open_K, weights_K, 0.0), state

    return Method(no_state, update, needs_positive_losses=True)
