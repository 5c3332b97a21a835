"""Learning-rate schedules: step -> learning rate, as tensors."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mtl.errors import check_choice

Schedule = Callable[[Tensor], Tensor]
SCHEDULES = ("cosine", "constant")


def make_schedule(name: str, peak: float, num_steps: int, num_warmup_steps: int) -> Schedule:
    """Makes a schedule: step (int64 scalar, from 0) -> learning rate (float32 scalar).

    Both rise linearly to `peak` over the warm-up, reaching it at its last step; then "constant" stays there and
    "cosine" falls as peak (1 + cos(pi x)) / 2, x going from 0 to 1 over the steps that are left (Loshchilov and
    Hutter 2017).

    Args:
      peak: the highest learning rate.
      num_steps: of the whole run.
      num_warmup_steps: 0 for none.

    Example:
      >>> schedule = make_schedule("cosine", 0.1, num_steps=10, num_warmup_steps=2)
      >>> [round(float(schedule(torch.tensor(step))), 3) for step in (0, 1, 6, 10)]
      [0.05, 0.1, 0.05, 0.0]
    """
    check_choice("schedule", name, SCHEDULES)

    def schedule(step: Tensor) -> Tensor:
        position = step.to(torch.float32)
        rise = torch.clamp((position + 1.0) / max(num_warmup_steps, 1), max=1.0)
        if name == "constant":
            return peak * rise
        x = torch.clamp((position - num_warmup_steps) / max(num_steps - num_warmup_steps, 1), 0.0, 1.0)
        return peak * rise * 0.5 * (1.0 + torch.cos(math.pi * x))

    return schedule
