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


class EpochMean(NamedTuple):
    """Of one epoch, for a mean: the sum and number of each task's losses in it. `clock`: as of `init_clock`."""

    clock: EpochClock
    sum_K: Tensor
    num_losses_K: Tensor


def init_mean(num_tasks: int, device: torch.device) -> EpochMean:
    """Before the first step.

    Example:
      >>> init_mean(2, torch.device("cpu")).sum_K
      tensor([0., 0.])
    """
    num_losses_K = torch.zeros(num_tasks, dtype=torch.int64, device=device)
    return EpochMean(init_clock(num_tasks, device), torch.zeros(num_tasks, device=device), num_losses_K)


def measure(state: EpochMean, observation: Observation, epoch: int) -> tuple[Tensor, Tensor, EpochMean]:
    """One step on, towards the mean losses of an epoch, counted from 0: over the steps in which a task is open.

    Returns:
      (bool scalar, that epoch is over; its mean losses [K], 0 for a task that was closed in all of it; the new state).

    Example:
      >>> from mtl.methods.base import observe
      >>> state = init_mean(2, torch.device("cpu"))
      >>> _, _, state = measure(state, observe(losses=[1.0, 4.0]), epoch=0)
      >>> _, _, state = measure(state, observe(losses=[3.0, 4.0], epoch_step=1), epoch=0)
      >>> measure(state, observe(losses=[9.0, 9.0]), epoch=0)[:2]
      (tensor(True), tensor([2., 4.]))
    """
    _, clock = tick(state.clock, observation)
    num_epochs = clock.epoch - 2  # before this one: the clock is at 2 in the first
    measured_K = observation.open_K & (num_epochs == epoch)
    sum_K = state.sum_K + torch.where(measured_K, observation.losses_K, 0.0)
    num_losses_K = state.num_losses_K + measured_K
    return num_epochs > epoch, sum_K / num_losses_K.clamp(min=1), EpochMean(clock, sum_K, num_losses_K)
