"""Scale-invariant scalarisation: the sum of the logarithms of the losses."""

import torch
from torch import Tensor

from mtl.methods.interface import Method, Observation


def scale_invariant() -> Method[tuple[()]]:
    """Scale-invariant baseline (named so by Navon et al., ICML 2022): a loss counts by its relative change.

    L = sum_t log L_t,   so w_t = 1 / L_t
    """

    def init(num_tasks: int, device: torch.device) -> tuple[()]:
        return ()

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return torch.where(observation.open_K, 1.0 / observation.losses_K, 0.0), state

    return Method(init, update, needs_positive_losses=True)
