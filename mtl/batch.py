"""What one step reads: inputs, labels, and all the randomness there is in it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Batch(NamedTuple):
    """B examples, K tasks; every tensor on the device that trains.

    Attributes:
      inputs: [B, ...], whatever the trunk reads.
      labels: task -> [B], in the type that the task's loss takes.
      mask: task -> [B] float32: 1 where the label is known, 0 where it is missing.
      augmentation: what the inputs' augmentation draws; () where there is none.
      uniforms_K: float32 in [0, 1), for balancing methods that draw.
      number: int64 scalar, which batch of its epoch it is, from 0.
    """

    inputs: Tensor
    labels: dict[str, Tensor]
    mask: dict[str, Tensor]
    augmentation: Any
    uniforms_K: Tensor
    number: Tensor


def make_batch(
    inputs: Tensor,
    labels: Mapping[str, Tensor],
    mask: Mapping[str, Tensor] | None = None,
    number: int = 0,
    seed: int = 0,
) -> Batch:
    """A batch from inputs and labels of your own.

    Args:
      inputs: [B, ...].
      labels: task -> [B]; NaN where a float label is missing.
      mask: task -> [B], true or 1 where the label is known; None: known wherever it is not NaN.
      number: of the batch in its epoch.
      seed: of what methods draw; the draw is a pure function of (seed, number).

    Example:
      >>> batch = make_batch(torch.zeros(2, 3), {"age": torch.tensor([30.0, torch.nan])})
      >>> batch.mask["age"]
      tensor([1., 0.])
    """
    device = inputs.device
    known = {task: ~torch.isnan(values) for task, values in labels.items()} if mask is None else mask
    uniforms_K = np.random.default_rng((seed, number)).random(len(labels), dtype=np.float32)
    return Batch(
        inputs,
        {task: values.to(device) for task, values in labels.items()},
        {task: known[task].to(device, torch.float32) for task in labels},
        (),
        torch.from_numpy(uniforms_K).to(device),
        torch.tensor(number, device=device),
    )


def mask_matrix(batch: Batch, tasks: Sequence[str]) -> Tensor:
    """The masks of these tasks as one matrix: [B, K] float32."""
    return torch.stack([batch.mask[task] for task in tasks], dim=1)
