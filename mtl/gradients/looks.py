"""The ways in which a method gets to see the tasks' gradients, and their sum the trunk.

At the features a look is free, and the weighted sum costs the one pull-back that joint training costs. At the
parameters every open task is pulled back; how many these are is fixed when a look is made, so that torch.compile meets
no branch. To look there in some steps only costs less, and shows what another batch would show; a part of the batch
shows less than that (artifacts/benchmarks/gramian_error_cpu.json).
Shape legend: K tasks, A open tasks, B images, D features, N coordinates of a gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from mtl import dst
from mtl.gradients import parameters as parameter_gradients
from mtl.gradients.direction import Look, Seen, Start, by_task
from mtl.gradients.parameters import Probes, Pulled
from mtl.gradients.per_task import (
    InnerProducts,
    TaskGradients,
    by_tap,
    features_products,
    of_half_means,
    scale,
    sum_by_tap,
    task_losses_and_gradients,
)
from mtl.models.model import Model
from mtl.models.probes import Tensors


def at_features(model: Model) -> Look:
    """Inner products at the features."""
    return _one_pull_back(
        model, "features", lambda start, gradients: features_products(model, gradients.features, start.batch.mask_BK)
    )


def as_before(model: Model) -> Look:
    """The inner products at the parameters that an earlier step measured."""
    return _one_pull_back(model, "parameters", lambda start, gradients: start.products)


def at_parameters_of_a_part(model: Model, probes: Probes, num_open: int, num_images: int, halves: bool) -> Look:
    """Inner products at the parameters, of gradients on the first images of the batch alone.

    Args:
      probes: for that many images.
      num_open: A.
      num_images: of the part.
      halves: whether those of its two halves are wanted too.
    """

    run = parameter_gradients.make_forward(model, probes)

    def look(start: Start, gradients: TaskGradients) -> InnerProducts:
        images, labels_BK, mask_BK = (
            value[:num_images] for value in (start.images_BCHW, start.batch.labels_BK, start.batch.mask_BK)
        )
        forward = run(start.params.trunk, start.buffers, images)
        _, of_part = task_losses_and_gradients(model, start.params.heads, forward.features, labels_BK, mask_BK)
        order_A = _open_first(model, start)[:num_open]
        pulled = forward.pull_back(_rows(model, of_part, order_A, halves))
        return _in_order(parameter_gradients.inner_products(pulled), order_A, mask_BK, halves)

    return _one_pull_back(model, "parameters", look)


def at_parameters(model: Model, probes: Probes, num_open: int, halves: bool) -> Look:
    """Inner products at the parameters; the weighted sum is put together from what was pulled back.

    Args: as `at_parameters_of_a_part`'s, for the whole batch.
    """

    def look(start: Start, gradients: TaskGradients, pull_back: Callable[[Tensors], Pulled]) -> Seen:
        order_A = _open_first(model, start)[:num_open]
        pulled = pull_back(_rows(model, gradients, order_A, halves))
        products = parameter_gradients.inner_products(pulled)

        def combine(weights_K: Tensor) -> Tensors:
            weights_A = weights_K[order_A]
            summed = parameter_gradients.weighted_sum(pulled, weights_A.repeat(2) if halves else weights_A)
            return {name: summed[name] for name in start.params.trunk}  # in its order, or the next step recompiles

        return Seen(_in_order(products, order_A, start.batch.mask_BK, halves), combine)

    return Look(_forward_to_parameters(model, probes), look, "parameters")


def of_gradients_at_features(model: Model) -> Look:
    """The gradients at the features themselves, N = B D."""

    def look(start: Start, gradients: TaskGradients, pull_back: Callable[..., tuple[Tensors]]) -> Seen:
        rows = by_tap(model, dst.mask(gradients.features, start.gates))
        products = features_products(model, gradients.features, start.batch.mask_BK)
        return Seen(products, lambda sum_N: pull_back(_unflatten(sum_N, rows))[0], _flatten(rows))

    return Look(_forward(model), look, "features")


def of_gradients_at_parameters(model: Model, num_open: int) -> Look:
    """The gradients at the parameters themselves, kept whole: K x N numbers, N of the trunk's size."""

    def look(start: Start, gradients: TaskGradients, pull_back: Callable[[Tensors], Pulled]) -> Seen:
        order_A = _open_first(model, start)[:num_open]
        pulled = pull_back(_rows(model, gradients, order_A, halves=False))
        products = _in_order(parameter_gradients.inner_products(pulled), order_A, start.batch.mask_BK, halves=False)
        rows_KN = rows_AN = _flatten(pulled.whole)
        if num_open < len(model.tasks):  # else the order is theirs already
            rows_KN = rows_AN.new_zeros(len(model.tasks), rows_AN.shape[1]).index_copy(0, order_A, rows_AN)
        return Seen(products, lambda sum_N: _unflatten(sum_N, pulled.whole), rows_KN)

    return Look(_forward_to_parameters(model, {}), look, "parameters")


def _one_pull_back(model: Model, level: str, measure: Callable[[Start, TaskGradients], InnerProducts]) -> Look:
    """The weighted sum is taken at the features and pulled back through the trunk once."""

    def look(start: Start, gradients: TaskGradients, pull_back: Callable[..., tuple[Tensors]]) -> Seen:
        def combine(weights_K: Tensor) -> Tensors:
            masked = dst.mask(gradients.features, start.gates)
            (trunk,) = pull_back(sum_by_tap(model, scale(masked, by_task(model, weights_K))), retain_graph=False)
            return trunk

        return Seen(measure(start, gradients), combine)

    return Look(_forward(model), look, level)


def _forward(model: Model) -> Callable[[Start], tuple[Tensors, Tensors, Callable[..., Any]]]:
    def forward(start: Start) -> tuple[Tensors, Tensors, Callable[..., Any]]:
        features, pull_back, buffers = vjp(  # type: ignore[misc]  # its annotation forgets has_aux
            lambda trunk: model.trunk(trunk, start.buffers, start.images_BCHW, True), start.params.trunk, has_aux=True
        )
        return features, buffers, pull_back

    return forward


def _forward_to_parameters(model: Model, probes: Probes) -> Callable[[Start], parameter_gradients.Forward]:
    run = parameter_gradients.make_forward(model, probes)
    return lambda start: run(start.params.trunk, start.buffers, start.images_BCHW)


def _open_first(model: Model, start: Start) -> Tensor:
    """The tasks' indices, open ones first, each part in its order."""
    open_K = torch.stack([start.gates[task] for task in model.tasks])
    return torch.argsort((~open_K).long(), stable=True)


def _rows(model: Model, gradients: TaskGradients, order_A: Tensor, halves: bool) -> Tensors:
    """What is pulled back, tap -> [A, B, D]; with `halves` [2 A, B, D], each task's gradient on either half alone."""
    rows = {tap: value[order_A] for tap, value in by_tap(model, gradients.features).items()}
    if not halves:
        return rows
    both = {}
    for tap, gradients_ABD in rows.items():
        num_images = gradients_ABD.shape[1]
        is_first_B1 = (torch.arange(num_images, device=order_A.device) < num_images // 2).unsqueeze(1)
        both[tap] = torch.cat([gradients_ABD * is_first_B1, gradients_ABD * ~is_first_B1])
    return both


def _in_order(products: Tensor, order_A: Tensor, mask_BK: Tensor, halves: bool) -> InnerProducts:
    """Inner products of the rows that were pulled back, in the order of the tasks; 0 for a task that was not."""
    num_open, num_tasks = len(order_A), mask_BK.shape[1]
    if not halves:
        gramian_KK = _scatter(products, order_A, num_tasks)
        return InnerProducts(gramian_KK, torch.zeros_like(gramian_KK))
    (first, across), (transposed, second) = (half.split(num_open, dim=1) for half in products.split(num_open))
    return InnerProducts(
        _scatter(first + across + transposed + second, order_A, num_tasks),
        of_half_means(_scatter(across, order_A, num_tasks), mask_BK),
    )


def _scatter(products_AA: Tensor, order_A: Tensor, num_tasks: int) -> Tensor:
    products_KK = products_AA.new_zeros(num_tasks, num_tasks)
    products_KK[order_A[:, None], order_A] = products_AA
    return products_KK


def _flatten(rows: Tensors) -> Tensor:
    """name -> [A, ...] becomes [A, N]."""
    return torch.cat([value.flatten(1) for value in rows.values()], dim=1)


def _unflatten(sum_N: Tensor, rows: Tensors) -> Tensors:
    """[N] becomes name -> [...], in the shapes of the rows."""
    parts = sum_N.split([value[0].numel() for value in rows.values()])
    return {name: part.view_as(rows[name][0]) for name, part in zip(rows, parts, strict=True)}
