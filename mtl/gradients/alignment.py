"""How well the tasks' gradients agree: cosines and conflicts, gathered over an epoch's steps. K tasks."""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Alignment(NamedTuple):
    """Sums over steps, float64 [K, K], on the device.

    Attributes:
      cosines_KK: of <g_i, g_j> / (|g_i| |g_j|).
      conflicts_KK: of 1 where <g_i, g_j> < 0.
      num_steps_KK: steps in which the pair was measured.
    """

    cosines_KK: Tensor
    conflicts_KK: Tensor
    num_steps_KK: Tensor


def zero(num_tasks: int, device: torch.device) -> Alignment:
    """Before an epoch's first step.

    Example:
      >>> zero(2, torch.device("cpu")).num_steps_KK
      tensor([[0., 0.],
              [0., 0.]], dtype=torch.float64)
    """
    return Alignment(*torch.zeros(3, num_tasks, num_tasks, dtype=torch.float64, device=device).unbind())


def add(alignment: Alignment, gramian_KK: Tensor) -> Alignment:
    """Adds a step's inner products.

    One of exactly 0 was not measured: a task had no gradient in this step, or the two share no coordinate.

    Example:
      >>> one_step = add(zero(2, torch.device("cpu")), torch.tensor([[4.0, -1.0], [-1.0, 1.0]]))
      >>> one_step.cosines_KK
      tensor([[ 1.0000, -0.5000],
              [-0.5000,  1.0000]], dtype=torch.float64)
      >>> one_step.conflicts_KK
      tensor([[0., 1.],
              [1., 0.]], dtype=torch.float64)
    """
    gramian_KK = gramian_KK.double()
    norms_K = gramian_KK.diagonal().sqrt()
    lengths_KK = norms_K * norms_K[:, None]
    measured_KK = gramian_KK != 0.0
    cosines_KK = torch.where(measured_KK, gramian_KK / torch.where(measured_KK, lengths_KK, 1.0), 0.0)
    return Alignment(
        alignment.cosines_KK + cosines_KK,
        alignment.conflicts_KK + (cosines_KK < 0.0),
        alignment.num_steps_KK + measured_KK,
    )


def describe(alignment: Alignment) -> dict[str, Any]:
    """The means over steps, for a log: None for a pair that was never measured.

    Returns:
      {"cosines": K x K, "conflicts": K x K}.

    Example:
      >>> one_step = add(zero(2, torch.device("cpu")), torch.tensor([[4.0, -1.0], [-1.0, 1.0]]))
      >>> describe(one_step)
      {'cosines': [[1.0, -0.5], [-0.5, 1.0]], 'conflicts': [[0.0, 1.0], [1.0, 0.0]]}
    """
    return {
        "cosines": _means(alignment.cosines_KK, alignment.num_steps_KK),
        "conflicts": _means(alignment.conflicts_KK, alignment.num_steps_KK),
    }


def conflicting(alignment: Alignment) -> float | None:
    """The share of conflicts, averaged over the pairs of tasks that were measured; None if there is none.

    Example:
      >>> gramian_KK = torch.tensor([[1.0, 0.5, -0.5], [0.5, 1.0, 0.5], [-0.5, 0.5, 1.0]])
      >>> conflicting(add(zero(3, torch.device("cpu")), gramian_KK))  # one pair of three
      0.3333333333333333
    """
    shares_KK = alignment.conflicts_KK / alignment.num_steps_KK
    above_KK = torch.ones_like(shares_KK).triu(diagonal=1).bool() & (alignment.num_steps_KK > 0)
    return float(shares_KK[above_KK].mean()) if bool(above_KK.any()) else None


def _means(sums_KK: Tensor, num_steps_KK: Tensor) -> list[list[float | None]]:
    return [
        [total / number if number else None for total, number in zip(totals, numbers, strict=True)]
        for totals, numbers in zip(sums_KK.tolist(), num_steps_KK.tolist(), strict=True)
    ]
