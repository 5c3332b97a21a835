"""Trimmed mean: at every coordinate, the mean of the gradients that are neither largest nor smallest.

Source: Yin et al., ICML 2018
TorchJD: TrimmedMean
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, known_gradients, unweighted
from mtl.methods.shared.options import check_count


def trimmed_mean(num_trimmed: int = 1) -> Method[tuple[()]]:
    """Coordinate-wise trimmed mean (Yin, Chen, Ramchandran and Bartlett, ICML 2018).

    d = mean of what is left of g_1, ..., g_K at a coordinate without its b largest and b smallest

    The paper trims for machines that may lie, and a share of them; here they are tasks, and a number of them. With
    fewer than 2 b + 1 open tasks, b is as large as leaves one (of an odd number) or two: the median.

    Args:
      num_trimmed: b, at each end, at most (K - 1) / 2; the default goes with any K.

    Example:
      At each coordinate the median is left.
      >>> from mtl.methods.base import observe
      >>> observation = observe(gradients=[[1.0, 9.0], [2.0, 8.0], [100.0, 0.0]])
      >>> trimmed_mean().gradients((), observation)
      tensor([[0., 0.],
              [2., 8.],
              [0., 0.]])
    """
    check_count("trimmed_mean.num_trimmed", num_trimmed, "[0, inf)")

    def init(num_tasks: int, device: torch.device, num_coordinates: int) -> tuple[()]:
        check_count("trimmed_mean.num_trimmed", num_trimmed, f"[0, {max(1, (num_tasks - 1) // 2)}]")
        return ()

    def num_open_and_trimmed(observation: Observation) -> tuple[Tensor, Tensor]:
        num_open = observation.open_K.sum()
        return num_open, ((num_open - 1) // 2).clamp(max=num_trimmed)

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        num_open, trimmed = num_open_and_trimmed(observation)
        return observation.open_K.to(known_gradients(observation).dtype) / (num_open - 2 * trimmed), state

    def kept(state: tuple[()], observation: Observation) -> Tensor:
        gradients_KN, open_K1 = known_gradients(observation), observation.open_K[:, None]
        num_open, trimmed = num_open_and_trimmed(observation)
        order_KN = torch.where(open_K1, gradients_KN, torch.inf).argsort(dim=0, stable=True)
        ranks_KN = order_KN.argsort(dim=0)
        kept_KN = open_K1 & (ranks_KN >= trimmed) & (ranks_KN < num_open - trimmed)
        return torch.where(kept_KN, gradients_KN, 0.0)

    return Method(init, update, unweighted, looks_at=("gradients",), gradients=kept)
