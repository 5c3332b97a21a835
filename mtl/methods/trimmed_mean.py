"""Trimmed mean: at every coordinate, the mean of the gradients that are neither largest nor smallest."""

import torch
from torch import Tensor

from mtl.methods.interface import GradientMethod, Observation
from mtl.methods.options import check_count


def trimmed_mean(num_trimmed: int = 1) -> GradientMethod[tuple[()]]:
    """Coordinate-wise trimmed mean (Yin, Chen, Ramchandran and Bartlett, ICML 2018).

    d = mean of what is left of g_1, ..., g_K at a coordinate without its b largest and b smallest

    The paper trims for machines that may lie, and a share of them; here they are tasks, and a number of them. With
    fewer than 2 b + 1 open tasks, b is as large as leaves one (of an odd number) or two: the median.

    Args:
      num_trimmed: b, at each end, at most (K - 1) / 2; the default goes with any K.
    """
    check_count("trimmed_mean.num_trimmed", num_trimmed, "[0, inf)")

    def init(num_tasks: int, num_coordinates: int, device: torch.device) -> tuple[()]:
        check_count("trimmed_mean.num_trimmed", num_trimmed, f"[0, {max(1, (num_tasks - 1) // 2)}]")
        return ()

    def update(state: tuple[()], observation: Observation, gradients_KN: Tensor) -> tuple[Tensor, Tensor, tuple[()]]:
        open_K1, num_open = observation.open_K[:, None], observation.open_K.sum()
        trimmed = ((num_open - 1) // 2).clamp(max=num_trimmed)
        order_KN = torch.where(open_K1, gradients_KN, torch.inf).argsort(dim=0, stable=True)
        ranks_KN = order_KN.argsort(dim=0)
        kept_KN = open_K1 & (ranks_KN >= trimmed) & (ranks_KN < num_open - trimmed)
        weights_K = observation.open_K.to(gradients_KN.dtype) / (num_open - 2 * trimmed)
        return weights_K, torch.where(kept_KN, gradients_KN, 0.0), state

    return GradientMethod(init, update, at_features=True)
