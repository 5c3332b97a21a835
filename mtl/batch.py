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
      mask: task -> [B], true or 1 where the label is known; for a task that is not here, wherever it is not NaN.
      number: of the batch in its epoch.
      seed: of what methods draw: a pure function of (seed, number). Give each epoch its own.

    Example:
      >>> batch = make_batch(torch.zeros(2, 3), {"age": torch.tensor([30.0, torch.nan])})
      >>> batch.mask["age"]
      tensor([1., 0.])
    """
    device = inputs.device
    known = {task: ~torch.isnan(values) for task, values in labels.items()} | dict(mask or {})
    return Batch(
        inputs,
        {task: values.to(device) for task, values in labels.items()},
        {task: known[task].to(device, torch.float32) for task in labels},
        (),
        draw_uniforms(len(labels), seed, number).to(device),
        torch.tensor(number, device=device),
    )


def draw_uniforms(num_tasks: int, seed: int, number: int) -> Tensor:
    """[K] float32 in [0, 1), for methods that draw: a pure function of (seed, number).

    Example:
      >>> torch.equal(draw_uniforms(3, 0, 1), draw_uniforms(3, 0, 1))
      True
    """
    return torch.from_numpy(np.random.default_rng((seed, number)).random(num_tasks, dtype=np.float32))


def make_gates(on: Mapping[str, bool], device: torch.device | None = None) -> dict[str, Tensor]:
    """Gates as a step takes them: task -> scalar bool, so that a compiled step does not compile again as they change.

    Args:
      on: task -> whether it is trained, as `gating.draw_gates` gives it.
      device: of the step.

    Example:
      >>> make_gates({"smile": True, "age": False})
      {'smile': tensor(True), 'age': tensor(False)}
    """
    return {task: torch.tensor(gate, device=device) for task, gate in on.items()}


def mask_matrix(batch: Batch, tasks: Sequence[str]) -> Tensor:
    """The masks of these tasks as one matrix: [B, K] float32.

    Example:
      >>> mask_matrix(make_batch(torch.zeros(2, 3), {"a": torch.ones(2), "b": torch.tensor([torch.nan, 1.0])}), ["b"])
      tensor([[0.],
              [1.]])
    """
    return torch.stack([batch.mask[task] for task in tasks], dim=1)
