"""Equal weights: the sum of the losses, the baseline of everything else."""

import torch
from torch import Tensor

from mtl.methods.interface import Method, Observation


def equal() -> Method[tuple[()]]:
    """Linear scalarisation with unit weights: L = sum_t L_t, so w = 1."""

    def init(num_tasks: int, device: torch.device) -> tuple[()]:
        return ()

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return observation.open_K.to(observation.losses_K.dtype), state

    return Method(init, update)
