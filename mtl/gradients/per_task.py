"""Per-task losses and gradients in one pass.

Every task reads the same features z of the trunk. So the gradients of all tasks at z, and at the heads, come from one
vmapped pass over the heads; whatever sum of them is wanted costs one pull-back through the trunk.

Two forms carry the same numbers: the dictionary (task -> ...) in which methods are written, and the stacked form (a
leading task axis) in which heads are stored. `stack` and `unstack` convert.
Shape legend: B examples, D features, G tasks of a group or a tap, K tasks.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.utils._pytree import tree_map

from mtl.losses import task_loss
from mtl.models.heads import Group, HeadParams
from mtl.models.model import Model, tasks_by_tap
from mtl.state import InnerProducts
from mtl.world import ALONE, World

Tree = TypeVar("Tree")


class TaskGradients(NamedTuple):
    """Gradients of each task's own loss.

    Attributes:
      heads: task -> parameter of its head -> gradient, the parameter's shape.
      features: task -> gradient at the features that the task reads, [B, D].
    """

    heads: dict[str, dict[str, Tensor]]
    features: dict[str, Tensor]


def unstack(stacked: Mapping[str, Tensor], tasks: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Stacked form to dictionary: name -> [G, ...] becomes task -> name -> [...].

    Example:
      >>> unstack({"bias": torch.tensor([1.0, 2.0])}, ["smile", "hat"])
      {'smile': {'bias': tensor(1.)}, 'hat': {'bias': tensor(2.)}}
    """
    return {task: {name: value[index] for name, value in stacked.items()} for index, task in enumerate(tasks)}


def stack(per_task: Mapping[str, Mapping[str, Tensor]], tasks: Sequence[str]) -> dict[str, Tensor]:
    """Dictionary to stacked form: task -> name -> [...] becomes name -> [G, ...], in the order of `tasks`.

    Example:
      >>> stack({"smile": {"bias": torch.tensor(1.0)}, "hat": {"bias": torch.tensor(2.0)}}, ["hat", "smile"])
      {'bias': tensor([2., 1.])}
    """
    return {name: torch.stack([per_task[task][name] for task in tasks]) for name in per_task[tasks[0]]}


def task_losses_and_gradients(
    model: Model,
    heads: HeadParams,
    features: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], TaskGradients]:
    """Losses of all tasks, and their gradients at the heads and at the features: one vmapped pass per group.

    Args:
      model: which task reads which tap, and what its loss is.
      heads: group -> name -> [G, ...].
      features: tap -> [B, D].
      labels: task -> [B].
      mask: task -> [B] float, 1 where the label is known, else 0.

    Returns:
      (task -> scalar loss, gradients), in the order of `model.tasks`.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Identity(), None, torch.empty(2, 3))
      >>> model, params, _ = mtl.make_model(trunk, {"age": mtl.regression()})
      >>> heads = {"output": {name: torch.ones_like(value) for name, value in params.heads["output"].items()}}
      >>> features = {"output": torch.tensor([[1.0, 2.0, 3.0]])}  # the head says 7
      >>> labels, mask = {"age": torch.tensor([5.0])}, {"age": torch.ones(1)}
      >>> losses, gradients = task_losses_and_gradients(model, heads, features, labels, mask)
      >>> losses, gradients.features
      ({'age': tensor(4.)}, {'age': tensor([[4., 4., 4.]])})
    """
    losses: dict[str, Tensor] = {}
    head_gradients: dict[str, dict[str, Tensor]] = {}
    feature_gradients: dict[str, Tensor] = {}
    for name, group in model.groups.items():
        (of_heads, of_features_GBD), losses_G = _of_group(model, group, heads[name], features, labels, mask)
        losses |= dict(zip(group.tasks, losses_G.unbind(), strict=True))
        head_gradients |= unstack(of_heads, group.tasks)
        feature_gradients |= dict(zip(group.tasks, of_features_GBD.unbind(), strict=True))
    gradients = TaskGradients(
        {task: head_gradients[task] for task in model.tasks}, {task: feature_gradients[task] for task in model.tasks}
    )
    return {task: losses[task] for task in model.tasks}, gradients


def _of_group(
    model: Model,
    group: Group,
    heads: dict[str, Tensor],
    features: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
) -> tuple[tuple[dict[str, Tensor], Tensor], Tensor]:
    """Gradients at the group's heads and features, and losses, each with a leading task axis."""

    def loss(head: dict[str, Tensor], features_BD: Tensor, labels_B: Tensor, mask_B: Tensor) -> Tensor:
        return task_loss(group.loss, model.head(head, features_BD), labels_B, mask_B)

    labels_BG, mask_BG = (torch.stack([each[task] for task in group.tasks], dim=1) for each in (labels, mask))
    differentiate = vmap(grad_and_value(loss, argnums=(0, 1)), in_dims=(0, None, 1, 1))
    return differentiate(heads, features[group.tap], labels_BG, mask_BG)


def features_products(
    model: Model, feature_gradients: Mapping[str, Tensor], mask_BK: Tensor, world: World = ALONE
) -> InnerProducts:
    """Inner products of the tasks' gradients at the features, in the order of `model.tasks`.

    Tasks that read different taps have no coordinate in common, so their entry is 0. Those of the batch's halves are of
    gradients at a shift of the features that all images share, sum_b dL / dz_b: features of different images have no
    coordinate in common either.

    Args:
      mask_BK: float 0/1, 1 where the label is known, of the whole batch.
      world: the processes that have its rows.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Identity(), None, torch.empty(2, 2))
      >>> model, _, _ = mtl.make_model(trunk, {"a": mtl.binary(), "b": mtl.binary()})
      >>> of_tasks = {"a": torch.tensor([[1.0, 0.0], [0.0, 1.0]]), "b": torch.tensor([[1.0, 0.0], [1.0, 0.0]])}
      >>> features_products(model, of_tasks, torch.ones(2, 2)).gramian_KK
      tensor([[2., 1.],
              [1., 2.]])
    """
    first = feature_gradients[model.tasks[0]]
    gramian_KK, halves_KK = first.new_zeros(2, len(model.tasks), len(model.tasks)).unbind()
    num_first = first.shape[0] // 2
    # Made on the device: `torch.tensor` would copy there, and wait for the copy.
    rows = dict(zip(model.tasks, torch.arange(len(model.tasks), device=first.device).unbind(), strict=True))
    for members in tasks_by_tap(model).values():
        gradients_GBD = torch.stack([feature_gradients[task] for task in members])
        rows_G = torch.stack([rows[task] for task in members])
        flat_GN = gradients_GBD.flatten(1)
        halves = gradients_GBD[:, :num_first].sum(1), gradients_GBD[:, num_first:].sum(1)
        gramian_GG, first_GD, second_GD = world.sum([flat_GN @ flat_GN.T, *halves])
        gramian_KK[rows_G[:, None], rows_G] = gramian_GG
        halves_KK[rows_G[:, None], rows_G] = first_GD @ second_GD.T
    return InnerProducts(gramian_KK, of_half_means(halves_KK, mask_BK))


def of_half_means(halves_KK: Tensor, mask_BK: Tensor) -> Tensor:
    """Inner products of the halves' parts of the batch's gradients -> those of the halves' own gradients.

    With n labelled images in the batch and n' in the half, its own gradient is n / n' times its part.

    Example:
      >>> mask_BK = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])  # the second task misses one label
      >>> of_half_means(torch.ones(2, 2), mask_BK)
      tensor([[4.0000, 3.0000],
              [6.0000, 4.5000]])
    """
    num_first = len(mask_BK) // 2
    whole_K, first_K, second_K = mask_BK.sum(0), mask_BK[:num_first].sum(0), mask_BK[num_first:].sum(0)
    return halves_KK * (whole_K / first_K.clamp(min=1.0))[:, None] * (whole_K / second_K.clamp(min=1.0))


def by_tap(model: Model, feature_gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stacks the tasks' gradients at each tap, tap -> [K, B, D]; 0 for a task that does not read it.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Identity(), None, torch.empty(2, 2))
      >>> model, _, _ = mtl.make_model(trunk, {"a": mtl.binary(), "b": mtl.binary()})
      >>> by_tap(model, {"a": torch.tensor([[1.0, 0.0]]), "b": torch.tensor([[2.0, 3.0]])})
      {'output': tensor([[[1., 0.]],
      <BLANKLINE>
              [[2., 3.]]])}
    """
    stacked = {}
    for tap, members in tasks_by_tap(model).items():
        zeros = torch.zeros_like(feature_gradients[members[0]])
        stacked[tap] = torch.stack([feature_gradients[task] if task in members else zeros for task in model.tasks])
    return stacked


def scale(per_task: Mapping[str, Tree], weights: Mapping[str, Tensor]) -> dict[str, Tree]:
    """w_t x_t for losses or gradients: task -> tensor, or dictionary of tensors, times its task's scalar.

    Example:
      >>> weights = {"a": torch.tensor(0.5), "b": torch.tensor(2.0)}
      >>> scale({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])}, weights)
      {'a': tensor([0.5000, 1.0000]), 'b': tensor([6.])}
    """
    return {task: tree_map(lambda value, weight=weights[task]: weight * value, tree) for task, tree in per_task.items()}


def sum_by_tap(model: Model, feature_gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Sum over tasks of their gradients at each tap, tap -> [B, D]: what is pulled back through the trunk.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Identity(), None, torch.empty(2, 2))
      >>> model, _, _ = mtl.make_model(trunk, {"a": mtl.binary(), "b": mtl.binary()})
      >>> sum_by_tap(model, {"a": torch.tensor([[1.0, 0.0]]), "b": torch.tensor([[2.0, 3.0]])})
      {'output': tensor([[3., 3.]])}
    """
    taps = tasks_by_tap(model)
    return {tap: torch.stack([feature_gradients[task] for task in members]).sum(0) for tap, members in taps.items()}
