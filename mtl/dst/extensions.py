"""Metrics of ours, beside the paper's four: what an epoch's steps saw of the tasks' gradients decides on the next.

  x_t  of every step, averaged over the last epoch;   P_t = min(1, x_t / mean_t x_t),   x kept positive

The paper has none of them. Their lambdas are 0 unless they are asked for, and a step computes what they look at only
then. A metric is a function of what a step saw, and a line in `EXTENSIONS`.
Shape legend: K tasks.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.dst.metrics import PerTask, incompleteness

LEAST = 1e-6  # what an x of 0 or below counts as


class Seen(NamedTuple):
    """What a step saw of the tasks' gradients, those of dropped tasks too.

    Attributes:
      gramian_KK: inner products at the features, <g_i, g_j>.
      first_K, second_K: squared lengths |h_t|^2 and |h'_t|^2 of the gradients at the task's own head, on the batch's
        first half and on its second; 0 unless a metric needs them. At shared features, a linear head's gradients on two
        halves can differ in sign alone, since both are multiples of its weights.
      across_K: <h_t, h'_t>.
    """

    gramian_KK: Tensor
    first_K: Tensor
    second_K: Tensor
    across_K: Tensor


class Extension(NamedTuple):
    """`of_step`: a step's x_K, in [-1, 1]; `needs_halves`: whether it reads the halves of `Seen`."""

    of_step: Callable[[Seen], Tensor]
    needs_halves: bool = False


def agreement(seen: Seen) -> Tensor:
    """The cosine of a task's gradient with the sum of the others': a task that works against them is dropped more.

    Example:
      >>> none_K = torch.zeros(2)
      >>> agreement(Seen(torch.tensor([[4.0, -1.0], [-1.0, 1.0]]), none_K, none_K, none_K))
      tensor([-0.5000, -0.5000])
    """
    gramian_KK = seen.gramian_KK
    own_K, with_all_K = gramian_KK.diagonal(), gramian_KK.sum(1)
    others_K = gramian_KK.sum() - 2.0 * with_all_K + own_K  # |sum_s g_s - g_t|^2
    return _cosines(with_all_K - own_K, own_K, others_K)


def signal(seen: Seen) -> Tensor:
    """The cosine between a task's gradients on two halves of the batch: what cannot be learned has none.

    Example:
      >>> signal(Seen(torch.eye(1), torch.tensor([4.0]), torch.tensor([1.0]), torch.tensor([1.0])))
      tensor([0.5000])
    """
    return _cosines(seen.across_K, seen.first_K, seen.second_K)


EXTENSIONS = {
    "agreement": Extension(agreement),
    "signal": Extension(signal, needs_halves=True),
}


def relative_to_mean(values: Mapping[str, float | None]) -> PerTask:
    """P_t = min(1, x_t / mean_t x_t), with x of at least 1e-6; 1 for a task that was not measured (None).

    Example:
      >>> relative_to_mean({"a": 0.25, "b": 0.75, "c": None})
      {'a': 0.5, 'b': 1.0, 'c': 1.0}
    """
    positive = {task: max(LEAST, value) for task, value in values.items() if value is not None}
    return dict.fromkeys(values, 1.0) | (incompleteness(positive) if positive else {})


def _cosines(products_K: Tensor, squares_K: Tensor, other_squares_K: Tensor) -> Tensor:
    """<a, b> / (|a| |b|); 0 where either is 0, by rounding below it too."""
    lengths_K = (squares_K.clamp(min=0.0) * other_squares_K.clamp(min=0.0)).sqrt()
    return torch.where(lengths_K > 0.0, products_K / torch.where(lengths_K > 0.0, lengths_K, 1.0), 0.0).clamp(-1.0, 1.0)
