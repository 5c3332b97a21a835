"""What a step shows its balancing method, before it and, to a method that asks, after it."""

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.gradients.sources import Given, Measured
from mtl.losses import task_loss
from mtl.methods.base import AnyMethod, Observation
from mtl.models.model import Model, Params, apply_heads

LEAST_LOSS = 1e-12


def check_losses(model: Model, method: AnyMethod) -> None:
    """Refuses a method that needs positive losses where a loss may be negative: a step cannot look at its value.

    Raises:
      UserError: for such a pair.
    """
    if method.needs_positive_losses and model.may_be_negative:
        raise UserError(
            f"this method needs positive losses, and that of {', '.join(model.may_be_negative)} may be negative: "
            "choose another method, or say Task(..., positive=True) if it never is"
        )


def observe(
    model: Model,
    method: AnyMethod,
    given: Given,
    losses: dict[str, Tensor],
    measured: Measured,
    learning_rate: Tensor,
) -> Observation:
    """What the method may look at, in the order of the tasks."""
    losses_K, open_K = (torch.stack([values[task] for task in model.tasks]) for values in (losses, given.gates))
    if method.needs_positive_losses:
        losses_K = losses_K.clamp(min=LEAST_LOSS)  # a task without a label in the batch has a loss of 0
    labelled_K = open_K & given.mask_BK.any(dim=0)
    seen_K = torch.where(labelled_K.any(), labelled_K, open_K)
    return Observation(
        losses_K=losses_K,
        gramian_KK=measured.products.gramian_KK,
        open_K=seen_K,
        uniforms_K=given.batch.uniforms_K,
        learning_rate=learning_rate,
        epoch_step=given.batch.number,
        halves_KK=measured.products.halves_KK if "halves" in method.looks_at else None,
        gradients_KN=measured.gradients_KN,
    )


def losses_after(model: Model, given: Given, params: Params, buffers: dict[str, Tensor]) -> Tensor:
    """The losses of the same batch with the new parameters, [K], positive: forward only, nothing else is moved."""
    features, _ = model.trunk(params.trunk, buffers, given.inputs, True)
    outputs, batch = apply_heads(model, params.heads, features), given.batch
    losses = {task: group.loss for group in model.groups.values() for task in group.tasks}
    sums_K = torch.stack(
        [
            batch.mask[task].sum() * task_loss(losses[task], outputs[task], batch.labels[task], batch.mask[task])
            for task in model.tasks
        ]
    )
    (whole_K,) = given.world.sum([sums_K])
    return (whole_K / given.mask_BK.sum(0).clamp(min=1.0)).clamp(min=LEAST_LOSS)
