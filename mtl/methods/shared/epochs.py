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
    return EpochClock(
        torch.ones((), dtype=torch.int64, device=device), torch.zeros(num_tasks, dtype=torch.int64, device=device)
    )


def tick(clock: EpochClock, observation: Observation) -> tuple[Tensor, EpochClock]:
    """One step on: (bool [K], the task is open for the first time in this epoch; the clock)."""
    epoch = clock.epoch + (observation.epoch_step == 0)
    is_first_K = observation.open_K & (clock.last_epoch_K != epoch)
    return is_first_K, EpochClock(epoch, torch.where(observation.open_K, epoch, clock.last_epoch_K))
