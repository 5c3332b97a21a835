"""Soft optimal uncertainty weighting: what uncertainty weighting would learn, in closed form and softened."""

import torch
from torch import Tensor

from mtl.methods import masked
from mtl.methods.interface import Method, Observation
from mtl.methods.options import check_number


def soft_uncertainty(temperature: float = 10.0) -> Method[tuple[()]]:
    """UW-SO (Kirchdorfer et al., GCPR 2024).

    w = softmax_t(1 / (T L_t))

    1 / L_t is where the weights of uncertainty weighting rest, up to a factor. The losses in w are constants: there is
    no total loss whose gradient this is.

    Args:
      temperature: T; higher is closer to equal weights. The paper tunes it for each data set and has no default. Ours
        keeps the weights of binary cross-entropies (0.1 to 0.7 nats) within a factor of about 2.4.
    """
    temperature = check_number("soft_uncertainty.temperature", temperature, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> tuple[()]:
        return ()

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return masked.softmax(1.0 / (temperature * observation.losses_K), observation.open_K), state

    return Method(init, update, needs_positive_losses=True)
