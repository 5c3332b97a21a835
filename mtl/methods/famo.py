"""FAMO: all losses fall at the same relative rate, without a gradient per task.

Source: Liu et al., NeurIPS 2023
LibMTL: FAMO
TorchJD: FAMO
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.errors import check_choice
from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned, masked
from mtl.methods.shared.options import check_number


class FamoState(NamedTuple):
    """`logits`: xi. `num_steps`: int64 scalar. Of each task: the step in which it was last open, and its loss there."""

    logits: learned.Learned
    num_steps: Tensor
    last_step_K: Tensor
    last_losses_K: Tensor


def famo(
    learning_rate: float = 0.025, weight_decay: float = 1e-3, compared_with: str = "next_batch"
) -> Method[FamoState]:
    """Fast adaptive multitask optimization (Liu, Feng, Stone and Liu, NeurIPS 2023).

    L = c sum_t z_t log L_t,   z = softmax(xi),   c = 1 / sum_t (z_t / L_t), a constant;   so w_t = c z_t / L_t

    xi follows J^T (log L_old - log L_new) + weight_decay xi with Adam, J the Jacobian of the softmax: a task that
    improved by more than the others loses weight.

    The paper takes L_new on the same batch after the step, by another forward pass: that is "same_batch". Our default
    is the loss of the next batch, which is free, and noisier by the difference of two batches, so that Adam moves xi
    less far. It moves xi at the start of the next step, and only tasks that are open in both.

    Args:
      learning_rate: of xi.
      weight_decay: L2 coefficient of xi (gamma). The authors' scripts have 1e-3 for CelebA, NYU-v2 and QM9, 1e-2 for
        Cityscapes.
      compared_with: L_new's batch, "next_batch" or "same_batch". The second pass has batch statistics of its own, which
        do not enter BatchNorm's running ones.

    Example:
      The second loss falls faster, and loses weight beyond 1 / L.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(famo(learning_rate=0.5), observe(losses=[1.0, 1.0]), observe(losses=[1.0, 0.5]))
      tensor([[0.5000, 0.5000],
              [0.5761, 0.4239]])
    """
    learning_rate = check_number("famo.learning_rate", learning_rate, "(0, inf)")
    weight_decay = check_number("famo.weight_decay", weight_decay, "[0, inf)")
    check_choice("famo.compared_with", compared_with, ("next_batch", "same_batch"))
    same_batch = compared_with == "same_batch"

    def init(num_tasks: int, device: torch.device) -> FamoState:
        logits = learned.init(num_tasks, device)
        num_steps = torch.zeros((), dtype=torch.int64, device=device)
        last_step_K = torch.full((num_tasks,), -2, device=device)  # not even in the step before the first
        return FamoState(logits, num_steps, last_step_K, torch.ones(num_tasks, device=device))

    def move(logits: learned.Learned, old_K: Tensor, new_K: Tensor, moved_K: Tensor) -> learned.Learned:
        z_K = masked.softmax(logits.values_K, moved_K)
        progress_K = torch.log(old_K) - torch.log(new_K)
        gradient_K = z_K * (progress_K - (z_K * progress_K).sum()) + weight_decay * logits.values_K
        return learned.update(logits, gradient_K, moved_K, new_K.new_full((), learning_rate))

    def update(state: FamoState, observation: Observation) -> tuple[Tensor, FamoState]:
        losses_K, open_K = observation.losses_K, observation.open_K
        both_K = open_K & (state.last_step_K == state.num_steps - 1)
        logits = state.logits if same_batch else move(state.logits, state.last_losses_K, losses_K, both_K)

        last_step_K = torch.where(open_K, state.num_steps, state.last_step_K)
        last_losses_K = torch.where(open_K, losses_K, state.last_losses_K)
        weights_K = masked.softmax(logits.values_K - torch.log(losses_K), open_K)  # z_t / L_t over their sum
        return weights_K, FamoState(logits, state.num_steps + 1, last_step_K, last_losses_K)

    def after(state: FamoState, observation: Observation, new_losses_K: Tensor) -> FamoState:
        return state._replace(logits=move(state.logits, observation.losses_K, new_losses_K, observation.open_K))

    return Method(init, update, needs_positive_losses=True, after=after if same_batch else None)
