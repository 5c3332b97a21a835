"""What DST's metrics of ours see in a step. Shape legend: B examples, K tasks."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from mtl import dst
from mtl.batch import Batch
from mtl.gradients.per_task import task_losses_and_gradients
from mtl.models.heads import HeadParams
from mtl.models.model import Model
from mtl.models.probes import Tensors
from mtl.world import World


def measure_extensions(
    names: Sequence[str],
    model: Model,
    heads: HeadParams,
    features: Tensors,
    batch: Batch,
    gramian_KK: Tensor,
    world: World,
) -> Tensors:
    """x_K of each of these metrics; of the batch's halves nothing is computed unless one of them needs it.

    Args:
      names: of `dst.EXTENSIONS`.
      heads, features, batch: of this process's rows.
      gramian_KK: of the whole batch, at the features.

    Example:
      >>> import mtl
      >>> from mtl.world import ALONE
      >>> trunk = mtl.from_module(torch.nn.Identity(), None, torch.empty(2, 3))
      >>> model, params, _ = mtl.make_model(trunk, {"age": mtl.regression()})
      >>> features_BD = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])  # two halves that are alike
      >>> batch = mtl.make_batch(features_BD, {"age": torch.full((2,), 100.0)})
      >>> features = {"output": features_BD}
      >>> x = measure_extensions(["signal"], model, params.heads, features, batch, torch.eye(1), ALONE)
      >>> round(float(x["signal"]), 4)
      1.0
    """
    if not names:
        return {}
    none_K = torch.zeros_like(gramian_KK.diagonal())
    seen = dst.Seen(gramian_KK, none_K, none_K, none_K)
    if any(dst.EXTENSIONS[name].needs_halves for name in names):
        seen = dst.Seen(gramian_KK, *_products_of_halves(model, heads, features, batch, world))
    return {name: dst.EXTENSIONS[name].of_step(seen) for name in names}


def _products_of_halves(
    model: Model, heads: HeadParams, features: Tensors, batch: Batch, world: World
) -> tuple[Tensor, Tensor, Tensor]:
    """|h_t|^2, |h'_t|^2 and <h_t, h'_t>, [K] each, of the sums over labelled examples of each half's gradients."""
    num_first = len(next(iter(features.values()))) // 2
    rows = (slice(num_first), slice(num_first, None))
    parts = [_head_gradients(model, heads, features, batch, of_half) for of_half in rows]
    summed = iter(world.sum([gradient for part in parts for gradient in part]))
    first, second = ([next(summed) for _ in model.tasks] for _ in parts)
    return _dots(first, first), _dots(second, second), _dots(first, second)


def _head_gradients(model: Model, heads: HeadParams, features: Tensors, batch: Batch, rows: slice) -> list[Tensor]:
    """Of each task, the gradient at its head, flat, of the sum of its losses over these rows."""
    labels, mask = ({task: each[rows] for task, each in of.items()} for of in (batch.labels, batch.mask))
    some = {tap: features_BD[rows] for tap, features_BD in features.items()}
    _, gradients = task_losses_and_gradients(model, heads, some, labels, mask)
    return [
        mask[task].sum() * torch.cat([gradient.flatten() for gradient in gradients.heads[task].values()])
        for task in model.tasks
    ]


def _dots(first: Iterable[Tensor], second: Iterable[Tensor]) -> Tensor:
    return torch.stack([a @ b for a, b in zip(first, second, strict=True)])
