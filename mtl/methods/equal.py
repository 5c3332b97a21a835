"""Equal weights: the sum of the losses, the baseline of everything else."""

import torch
from torch import Tensor

from mtl.methods.interface import Method


def equal() -> Method[tuple[()]]:
    """Linear scalarisation with unit weights: L = sum_t L_t, so w = 1."""

    def init(num_tasks: int, device: torch.device) -> tuple[()]:
        return ()

    def update(state: tuple[()], losses_K: Tensor, open_K: Tensor, learning_rate: Tensor) -> tuple[Tensor, tuple[()]]:
        return torch.ones_like(losses_K), state

    return Method(init, update)
