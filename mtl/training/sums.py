"""What is gathered over an epoch's steps, on the device, so that no step waits for the host."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.gradients import alignment
from mtl.gradients.alignment import Alignment
from mtl.training.evaluation import stack
from mtl.training.step import Metrics


class Sums(NamedTuple):
    """Sums over an epoch's steps so far, on the device.

    Attributes:
      losses_K: float64, batch losses times the labelled images that they are the means of.
      num_labelled_K: float64, labelled images.
      alignments: level of `Metrics.gramians` -> how well the tasks' gradients agree there.
      extensions: name of a metric of ours for DST -> its x times labelled images, [K] float64.
      bad_step: int64, the first step with a loss that is not finite; -1 while there is none.
    """

    losses_K: Tensor
    num_labelled_K: Tensor
    alignments: dict[str, Alignment]
    extensions: dict[str, Tensor]
    bad_step: Tensor


def zero_sums(num_tasks: int, levels: Iterable[str], device: torch.device, extensions: Iterable[str] = ()) -> Sums:
    """The sums before an epoch's first step.

    Example:
      >>> zero_sums(2, ["features"], torch.device("cpu")).losses_K
      tensor([0., 0.], dtype=torch.float64)
    """
    zeros_K = torch.zeros(num_tasks, dtype=torch.float64, device=device)
    return Sums(
        losses_K=zeros_K,
        num_labelled_K=zeros_K.clone(),
        alignments={level: alignment.zero(num_tasks, device) for level in levels},
        extensions={name: zeros_K.clone() for name in extensions},
        bad_step=torch.full((), -1, dtype=torch.int64, device=device),
    )


def add(sums: Sums, metrics: Metrics, step: Tensor) -> Sums:
    """Adds one step's metrics, and notes the step if it is the first with a loss that is not finite."""
    losses_K, labelled_K = stack(metrics.losses), stack(metrics.num_labelled)
    return Sums(
        sums.losses_K + losses_K * labelled_K,
        sums.num_labelled_K + labelled_K,
        {level: alignment.add(so_far, metrics.gramians[level]) for level, so_far in sums.alignments.items()},
        {name: so_far + metrics.extensions[name] * labelled_K for name, so_far in sums.extensions.items()},
        torch.where((sums.bad_step < 0) & ~torch.isfinite(losses_K).all(), step, sums.bad_step),
    )


def check_finite(sums: Sums) -> None:
    """Stops a run whose loss is not finite, naming the step.

    Raises:
      UserError: at the first log line, or end of an epoch, after it happened.

    Example:
      >>> check_finite(zero_sums(2, [], torch.device("cpu")))  # says nothing: no loss was bad
    """
    step = int(sums.bad_step)
    if step >= 0:
        raise UserError(
            f"the loss of step {step} is not finite: lower the learning rate and start in a new workdir",
            "learning_rate",
        )
