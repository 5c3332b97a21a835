"""Geometric loss strategy: the geometric mean of the losses."""

import torch
from torch import Tensor

from mtl.methods import masked
from mtl.methods.interface import Method, Observation


def geometric() -> Method[tuple[()]]:
    """GLS (Chennupati et al., CVPR workshops 2019).

    L = (prod_t L_t)^(1/K) = exp(mean_t log L_t),   so w_t = L / (K L_t)

    Computed from logarithms: a product of 40 losses underflows float32.
    """

    def init(num_tasks: int, device: torch.device) -> tuple[()]:
        return ()

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        open_K, log_losses_K = observation.open_K, torch.log(observation.losses_K)
        weights_K = torch.exp(masked.mean(log_losses_K, open_K) - log_losses_K) / open_K.sum()
        return torch.where(open_K, weights_K, 0.0), state

    return Method(init, update, needs_positive_losses=True)
