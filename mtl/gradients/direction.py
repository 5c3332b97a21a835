"""Where a step goes: the tasks' gradients, dropped by the gates, balanced by the method.

  forward -> features -> heads -> losses, gradients at heads and features      one vmapped pass
  a look at the gradients: their inner products, or the gradients themselves   at the features or at the parameters
  the method -> a weight for each task -> one gradient of the trunk            sum_t G_t w_t g_t

Shape legend: K tasks, B images, D features, N coordinates of a gradient.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtl import dst
from mtl.data.batches import Batch
from mtl.gradients.per_task import InnerProducts, TaskGradients, features_products, scale, task_losses_and_gradients
from mtl.methods.interface import AnyMethod, GradientMethod, Method, Observation
from mtl.models.model import Model, Params
from mtl.models.probes import Tensors

Gates = dict[str, Tensor]
LEAST_LOSS = 1e-12


class Start(NamedTuple):
    """What a direction starts from.

    Attributes:
      params, buffers: of the network.
      method: the method's state.
      products: the inner products that were looked at last.
      images_BCHW: float, augmented and normalised.
      batch, gates: of this step.
      learning_rate: of this step.
    """

    params: Params
    buffers: Tensors
    method: Any
    products: InnerProducts
    images_BCHW: Tensor
    batch: Batch
    gates: Gates
    learning_rate: Tensor


class Direction(NamedTuple):
    """What comes out.

    Attributes:
      trunk: parameter -> gradient.
      heads: task -> parameter -> gradient, 0 for a dropped task.
      buffers: BatchNorm's moved averages.
      method: the method's new state.
      products: what the method looked at.
      losses: task -> mean loss of the batch, dropped tasks too.
      weights: task -> the method's weight of its gradients; 0 for a dropped task, and without a label in the batch.
      gramians: level -> [K, K], inner products at the features (dropped tasks too) and, where measured, the parameters.
    """

    trunk: Tensors
    heads: dict[str, Tensors]
    buffers: Tensors
    method: Any
    products: InnerProducts
    losses: dict[str, Tensor]
    weights: dict[str, Tensor]
    gramians: dict[str, Tensor]


class Seen(NamedTuple):
    """What a look at the gradients brings.

    Attributes:
      products: of the tasks' gradients.
      combine: weights_K, or what a `GradientMethod` makes of its rows, [N] -> gradient of the trunk.
      rows_KN: the gradients themselves for a `GradientMethod`, 0 for dropped tasks; else None.
    """

    products: InnerProducts
    combine: Callable[[Tensor], Tensors]
    rows_KN: Tensor | None = None


class Look(NamedTuple):
    """How a method gets to see gradients; see `mtl.gradients.looks`.

    Attributes:
      forward: start -> (tap -> features [B, D], BatchNorm's moved averages, a function that pulls back).
      look: (start, gradients at the features, that function) -> what is seen.
      level: "features" or "parameters".
    """

    forward: Callable[[Start], tuple[Tensors, Tensors, Callable[..., Any]]]
    look: Callable[[Start, TaskGradients, Callable[..., Any]], Seen]
    level: str


def make_direction(model: Model, method: AnyMethod, look: Look) -> Callable[[Start], Direction]:
    """Makes direction(start): pure, without a branch on values."""

    def direction(start: Start) -> Direction:
        features, buffers, pull_back = look.forward(start)
        batch = start.batch
        losses, gradients = task_losses_and_gradients(
            model, start.params.heads, features, batch.labels_BK, batch.mask_BK
        )
        seen = look.look(start, gradients, pull_back)
        observation = observe(model, method, start, losses, seen.products)
        if isinstance(method, GradientMethod):
            assert seen.rows_KN is not None, "a method that looks at gradients is given some"
            weights_K, rows_KN, state = method.update(start.method, observation, seen.rows_KN)
            trunk = seen.combine(weights_K @ rows_KN)
        else:
            weights_K, state = method.update(start.method, observation)
            trunk = seen.combine(weights_K)
        head_weights = by_task(model, method.head_weights(start.method, observation, weights_K))
        gramians = {look.level: seen.products.gramian_KK}
        if look.level != "features":
            gramians["features"] = features_products(model, gradients.features, batch.mask_BK).gramian_KK
        return Direction(
            trunk,
            scale(dst.mask(gradients.heads, start.gates), head_weights),
            buffers,
            state,
            seen.products,
            losses,
            by_task(model, weights_K),
            gramians,
        )

    return direction


def observe(
    model: Model, method: AnyMethod, start: Start, losses: dict[str, Tensor], products: InnerProducts
) -> Observation:
    """What the method may look at, in the order of the tasks."""
    losses_K, open_K = (torch.stack([values[task] for task in model.tasks]) for values in (losses, start.gates))
    # A task without a label in the batch has a loss of 0, by which some methods would divide.
    losses_K = losses_K.clamp(min=LEAST_LOSS)
    labelled_K = open_K & start.batch.mask_BK.any(dim=0)
    seen_K = torch.where(labelled_K.any(), labelled_K, open_K)
    gramian_KK, halves_KK = products
    if not (isinstance(method, Method) and method.needs_halves):
        halves_KK = torch.full_like(halves_KK, torch.nan)  # so that nobody uses them by mistake
    return Observation(
        losses_K, gramian_KK, halves_KK, seen_K, start.batch.uniforms_K, start.learning_rate, start.batch.number
    )


def by_task(model: Model, values_K: Tensor) -> dict[str, Tensor]:
    """[K] -> task -> scalar."""
    return dict(zip(model.tasks, values_K.unbind(), strict=True))
