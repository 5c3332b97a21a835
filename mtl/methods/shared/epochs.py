"""When a task sees a new epoch: at the first step of the epoch in which its gate is open. K tasks."""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Observation


class EpochClock(NamedTuple):
    """`epoch`: int64 scalar, of the last step; `last_epoch_K`: int64, in which the task was last open, 0 if never."""

    epoch: Tensor
    last_epoch_K: Tensor


def init_clock(num_tasks: int, device: torch.device) -> EpochClock:
    """Before the first step: in epoch 1, and no task was open yet.

    Example:
      >>> init_clock(2, torch.device("cpu")).last_epoch_K
      tensor([0, 0])
    """
    return EpochClock(
        torch.ones((), dtype=torch.int64, device=device), torch.zeros(num_tasks, dtype=torch.int64, device=device)
    )


def tick(clock: EpochClock, observation: Observation) -> tuple[Tensor, EpochClock]:
    """One step on: (bool [K], the task is open for the first time in this epoch; the clock).

    Example:
      >>> from mtl.methods.base import observe
      >>> clock = init_clock(2, torch.device("cpu"))
      >>> first_K, clock = tick(clock, observe(losses=[1.0, 1.0], is_open=[True, False]))
      >>> again_K, clock = tick(clock, observe(losses=[1.0, 1.0], epoch_step=1))
      >>> first_K, again_K
      (tensor([ True, False]), tensor([False,  True]))
    """
    epoch = clock.epoch + (observation.epoch_step == 0)
    is_first_K = observation.open_K & (clock.last_epoch_K != epoch)
    return is_first_K, EpochClock(epoch, torch.where(observation.open_K, epoch, clock.last_epoch_K))
