"""What is gathered over an epoch's steps, on the device, so that no step waits for the host."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

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
      bad_step: int64, the first step with a loss or a gradient that is not finite; -1 while there is none. The sums
        of losses stay as they were after it.
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
    """Adds one step's metrics, and notes the step if it is the first with a loss or gradient that is not finite."""
    losses_K, labelled_K = stack(metrics.losses), stack(metrics.num_labelled)
    is_well, is_finite = sums.bad_step < 0, torch.isfinite(losses_K).all() & torch.isfinite(metrics.gradient_norm)
    # A loss that is not finite shows even where no label is known.
    added_K = torch.where(torch.isfinite(losses_K), losses_K * labelled_K, losses_K)
    return Sums(
        torch.where(is_well, sums.losses_K + added_K, sums.losses_K),
        sums.num_labelled_K + labelled_K,
        {level: alignment.add(so_far, metrics.gramians[level]) for level, so_far in sums.alignments.items()},
        {name: so_far + metrics.extensions[name] * labelled_K for name, so_far in sums.extensions.items()},
        torch.where(is_well & ~is_finite, step, sums.bad_step),
    )


def bad_tasks(sums: Sums) -> list[bool]:
    """Of which tasks the loss of the bad step is not finite; of none if the gradient alone is not.

    Example:
      >>> bad_tasks(zero_sums(2, [], torch.device("cpu")))
      [False, False]
    """
    return (~torch.isfinite(sums.losses_K)).tolist()
