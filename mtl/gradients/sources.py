"""Where a balancing method gets the tasks' gradients from, and the trunk its own.

At the features gradients are free, and their weighted sum costs the one pull-back that joint training costs. At the
parameters every open task is pulled back; how many these are is fixed when a source is made, so that torch.compile
meets no branch. To measure there in some steps only costs less, and shows what another batch would show; a part of the
batch shows less than that (artifacts/benchmarks/gramian_error_cpu.json).
Shape legend: K tasks, A open tasks, B examples, D features, N coordinates of a gradient.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vjp

from mtl import dst
from mtl.batch import Batch
from mtl.gradients import parameters
from mtl.gradients.parameters import Probes, Pulled
from mtl.gradients.per_task import (
    TaskGradients,
    by_tap,
    features_products,
    of_half_means,
    scale,
    sum_by_tap,
    task_losses_and_gradients,
)
from mtl.gradients.rows import from_row, to_rows
from mtl.gradients.whole import of_whole_batch, sum_pulled
from mtl.models.model import Model
from mtl.models.probes import Tensors
from mtl.state import InnerProducts, TrainState
from mtl.world import ALONE, World, sum_tree

Gates = dict[str, Tensor]  # task -> scalar bool


class Given(NamedTuple):
    """What a step starts from: `inputs` are augmented and normalised; `mask_BK` the whole batch's masks."""

    state: TrainState
    inputs: Tensor
    batch: Batch
    mask_BK: Tensor
    gates: Gates
    world: World = ALONE


class Measured(NamedTuple):
    """What a method may look at, and the way back.

    Attributes:
      products: of the tasks' gradients.
      combine: weights_K, or the direction [N] that a method makes of the rows, -> gradient of the trunk.
      gradients_KN: the gradients themselves, 0 for dropped tasks; None where only their inner products are known.
    """

    products: InnerProducts
    combine: Callable[[Tensor], Tensors]
    gradients_KN: Tensor | None = None


class Source(NamedTuple):
    """Where gradients come from.

    Attributes:
      forward: given -> (tap -> features [B, D], moved buffers, a function that pulls back through the trunk).
      measure: (given, gradients at the features, that function) -> what is measured.
      level: "features" or "parameters".
    """

    forward: Callable[[Given], tuple[Tensors, Tensors, Callable[..., Any]]]
    measure: Callable[[Given, TaskGradients, Callable[..., Any]], Measured]
    level: str


def at_features(model: Model) -> Source:
    """Inner products at the features."""
    return _one_pull_back(
        model,
        "features",
        lambda given, gradients: features_products(model, gradients.features, given.mask_BK, given.world),
    )


def remembered(model: Model) -> Source:
    """The inner products at the parameters that an earlier step measured."""
    return _one_pull_back(model, "parameters", lambda given, gradients: given.state.products)


def at_parameters_of_first(model: Model, probes: Probes, num_open: int, num_examples: int, halves: bool) -> Source:
    """Inner products at the parameters, of gradients on the first examples of the batch alone.

    Args:
      probes: for that many examples.
      num_open: A.
      num_examples: how many.
      halves: whether those of their two halves are wanted too.
    """
    run = parameters.make_forward(model, probes)

    def measure(given: Given, gradients: TaskGradients) -> InnerProducts:
        state, first = given.state, slice(num_examples)
        labels, mask = (
            {task: each[first] for task, each in of.items()} for of in (given.batch.labels, given.batch.mask)
        )
        forward = run(state.params.trunk, state.buffers, given.inputs[first])
        whole_mask_BK = given.mask_BK[: num_examples * given.world.size]
        local = task_losses_and_gradients(model, state.params.heads, forward.features, labels, mask)
        _, of_first = of_whole_batch(given.world, *local, mask, whole_mask_BK)
        order_A = _pulled_back(model, given.gates, num_open)
        pulled = sum_pulled(given.world, forward.pull_back(_rows(model, of_first, given.gates, order_A, halves)))
        return _in_order(parameters.inner_products(pulled), order_A, whole_mask_BK, halves)

    return _one_pull_back(model, "parameters", measure)


def at_parameters(model: Model, probes: Probes, num_open: int, halves: bool) -> Source:
    """Inner products at the parameters; the weighted sum is put together from what was pulled back.

    Args: as `at_parameters_of_first`'s, for the whole batch.
    """

    def measure(given: Given, gradients: TaskGradients, pull_back: Callable[[Tensors], Pulled]) -> Measured:
        order_A = _pulled_back(model, given.gates, num_open)
        pulled = sum_pulled(given.world, pull_back(_rows(model, gradients, given.gates, order_A, halves)))
        products = parameters.inner_products(pulled)

        def combine(weights_K: Tensor) -> Tensors:
            weights_A = weights_K[order_A]
            summed = parameters.weighted_sum(pulled, weights_A.repeat(2) if halves else weights_A)
            return {
                name: summed[name] for name in given.state.params.trunk
            }  # in its order, or the next step recompiles

        return Measured(_in_order(products, order_A, given.mask_BK, halves), combine)

    return Source(_forward_to_parameters(model, probes), measure, "parameters")


def gradients_at_features(model: Model) -> Source:
    """The gradients at the features themselves, N = B D."""

    def measure(given: Given, gradients: TaskGradients, pull_back: Callable[..., tuple[Tensors]]) -> Measured:
        world, own = given.world, by_tap(model, dst.mask(gradients.features, given.gates))
        products = features_products(model, gradients.features, given.mask_BK, world)
        rows = {tap: world.gather(value, 1) for tap, value in own.items()}
        first = {tap: value[0] for tap, value in rows.items()}

        def combine(sum_N: Tensor) -> Tensors:
            (trunk,) = pull_back({tap: value[world.rows] for tap, value in from_row(sum_N, first).items()})
            return sum_tree(world, trunk)

        return Measured(products, combine, to_rows(rows))

    return Source(_forward(model), measure, "features")


def gradients_at_parameters(model: Model, num_open: int) -> Source:
    """The gradients at the parameters themselves, kept whole: K x N numbers, N of the trunk's size."""

    def measure(given: Given, gradients: TaskGradients, pull_back: Callable[[Tensors], Pulled]) -> Measured:
        order_A = _pulled_back(model, given.gates, num_open)
        pulled = sum_pulled(given.world, pull_back(_rows(model, gradients, given.gates, order_A, halves=False)))
        products = _in_order(parameters.inner_products(pulled), order_A, given.mask_BK, halves=False)
        rows_KN = rows_AN = pulled.whole_AN
        if num_open < len(model.tasks):  # else all are there, in their order
            rows_KN = rows_AN.new_zeros(len(model.tasks), rows_AN.shape[1]).index_copy(0, order_A, rows_AN)
        return Measured(products, lambda sum_N: from_row(sum_N, pulled.like), rows_KN)

    return Source(_forward_to_parameters(model, {}), measure, "parameters")


def by_task(model: Model, values_K: Tensor) -> dict[str, Tensor]:
    """[K] -> task -> scalar."""
    return dict(zip(model.tasks, values_K.unbind(), strict=True))


def _one_pull_back(model: Model, level: str, products: Callable[[Given, TaskGradients], InnerProducts]) -> Source:
    """The weighted sum is taken at the features and pulled back through the trunk once."""

    def measure(given: Given, gradients: TaskGradients, pull_back: Callable[..., tuple[Tensors]]) -> Measured:
        def combine(weights_K: Tensor) -> Tensors:
            masked = dst.mask(gradients.features, given.gates)
            (trunk,) = pull_back(sum_by_tap(model, scale(masked, by_task(model, weights_K))), retain_graph=False)
            return sum_tree(given.world, trunk)

        return Measured(products(given, gradients), combine)

    return Source(_forward(model), measure, level)


def _forward(model: Model) -> Callable[[Given], tuple[Tensors, Tensors, Callable[..., Any]]]:
    def forward(given: Given) -> tuple[Tensors, Tensors, Callable[..., Any]]:
        state = given.state
        features, pull_back, buffers = vjp(  # type: ignore[misc]  # its annotation forgets has_aux
            lambda trunk: model.trunk(trunk, state.buffers, given.inputs, True), state.params.trunk, has_aux=True
        )
        return features, buffers, pull_back

    return forward


def _forward_to_parameters(model: Model, probes: Probes) -> Callable[[Given], parameters.Forward]:
    run = parameters.make_forward(model, probes)
    return lambda given: run(given.state.params.trunk, given.state.buffers, given.inputs)


def _pulled_back(model: Model, gates: Gates, num_open: int) -> Tensor:
    """The indices of the tasks that are pulled back, order_A: the open ones, or all where `num_open` is all."""
    open_K = torch.stack([gates[task] for task in model.tasks])
    if num_open == len(model.tasks):
        return torch.arange(num_open, device=open_K.device)
    return torch.argsort((~open_K).long(), stable=True)[:num_open]


def _rows(model: Model, gradients: TaskGradients, gates: Gates, order_A: Tensor, halves: bool) -> Tensors:
    """What is pulled back, tap -> [A, B, D], 0 for a dropped task; with `halves` [2 A, B, D], each half's alone."""
    rows = {tap: value[order_A] for tap, value in by_tap(model, dst.mask(gradients.features, gates)).items()}
    if not halves:
        return rows
    both = {}
    for tap, gradients_ABD in rows.items():
        num_examples = gradients_ABD.shape[1]
        is_first_B1 = (torch.arange(num_examples, device=order_A.device) < num_examples // 2).unsqueeze(1)
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
