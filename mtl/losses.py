"""What a task is: how many numbers its head gives, and what they cost.

A loss gives one number per example. The loss of the task is their mean over the examples whose label is known, so that
labels may be missing anywhere, and a loss of your own needs to know nothing of that.
Shape legend: B examples, O outputs of a task's head.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mtl.errors import UserError

ExampleLoss = Callable[[Tensor, Tensor], Tensor]  # (outputs_BO, labels_B) -> losses_B


class Task(NamedTuple):
    """What a network learns about an example.

    Heads of tasks with the same loss (the same object), as many outputs and the same features are stacked and run as
    one under `vmap`.

    Attributes:
      num_outputs: O, numbers that the head gives.
      loss: (outputs_BO, labels_B) -> losses_B, differentiable. Labels may have further axes. Where a label is missing,
        the loss is given 0 in its place, and what it gives there counts nowhere.
      kind: "binary", "classes" or "regression"; "" for a task of your own.
      positive: whether the loss is never below 0, which some methods need.

    Example:
      >>> def gaussian(outputs_BO, labels_B):  # a mean and a log standard deviation; may be negative
      ...     mean_B, log_std_B = outputs_BO.unbind(1)
      ...     return 0.5 * ((labels_B - mean_B) / log_std_B.exp()) ** 2 + log_std_B
      >>> Task(2, gaussian).num_outputs
      2
    """

    num_outputs: int
    loss: ExampleLoss
    kind: str = ""
    positive: bool = False


def binary(class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Task:
    """A task of two classes: one logit, binary cross-entropy, labels 0 or 1.

    Args:
      class_weights, label_smoothing: as of `classes`, for absent and present: it is the cross-entropy of logits 0, z.

    Example:
      >>> binary().kind
      'binary'
    """
    if class_weights is None and label_smoothing == 0.0:
        return Task(1, binary_cross_entropy, "binary", positive=True)
    return Task(1, _softened(class_weights, label_smoothing, True), "binary", positive=True)


def classes(num_classes: int, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Task:
    """A task of several classes: a logit for each, cross-entropy, labels int64 from 0 to num_classes - 1.

    With weights w and smoothing s (Szegedy et al. 2016):  - sum_c w_c q_c log p_c,  q_c = (1 - s) [c = y] + s / C.

    Args:
      num_classes: C.
      class_weights: [C] float, on the device that trains; None: 1.
      label_smoothing: in [0, 1).

    Raises:
      UserError: for fewer than 2 classes, or a smoothing that is none.

    Example:
      >>> classes(10).num_outputs
      10
    """
    if num_classes < 2:
        raise UserError(f"a task of classes has {num_classes}: give at least 2")
    if class_weights is None and label_smoothing == 0.0:
        return Task(num_classes, cross_entropy, "classes", positive=True)
    return Task(num_classes, _softened(class_weights, label_smoothing, False), "classes", positive=True)


def regression(loss: str = "squared", delta: float = 1.0) -> Task:
    """A task whose label is a number.

    Args:
      loss: "squared", (z - y)^2; "l1", |z - y|; or "huber", which is squared, halved, up to `delta` and linear beyond.
      delta: of "huber", in the label's unit.

    Raises:
      UserError: for another loss, or a delta that is not positive.

    Example:
      >>> regression("huber", delta=2.0).loss(torch.tensor([[1.0], [4.0]]), torch.zeros(2))
      tensor([0.5000, 6.0000])
    """
    if loss == "huber":
        if not delta > 0.0:
            raise UserError(f"Huber's delta is {delta}; give a positive number, in the label's unit", "huber_delta")
        return Task(1, _huber(delta), "regression", positive=True)
    losses = {"squared": squared_error, "l1": absolute_error}
    if loss not in losses:
        raise UserError(f"a regression's loss is {loss!r}; choose {', '.join(losses)} or huber", "regression_loss")
    return Task(1, losses[loss], "regression", positive=True)


def binary_cross_entropy(outputs_BO: Tensor, labels_B: Tensor) -> Tensor:
    """softplus(z) - y z, nats: [B].

    Args:
      outputs_BO: [B, 1] float, z.
      labels_B: [B], y: 1 where the attribute is present, else 0.

    Example:
      >>> binary_cross_entropy(torch.zeros(2, 1), torch.tensor([0.0, 1.0]))
      tensor([0.6931, 0.6931])
    """
    logits_B = outputs_BO.squeeze(-1)
    return functional.binary_cross_entropy_with_logits(logits_B, labels_B.to(logits_B.dtype), reduction="none")


def cross_entropy(outputs_BO: Tensor, labels_B: Tensor) -> Tensor:
    """log sum_o exp(z_o) - z_y, nats: [B].

    Args:
      outputs_BO: [B, O] float, z.
      labels_B: [B] int64, y in [0, O).

    Example:
      >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
      tensor([1.3863])
    """
    return functional.cross_entropy(outputs_BO, labels_B, reduction="none")


def squared_error(outputs_BO: Tensor, labels_B: Tensor) -> Tensor:
    """(z - y)^2, in the label's unit squared: [B].

    Example:
      >>> squared_error(torch.tensor([[3.0]]), torch.tensor([1.0]))
      tensor([4.])
    """
    return torch.square(outputs_BO.squeeze(-1) - labels_B)


def absolute_error(outputs_BO: Tensor, labels_B: Tensor) -> Tensor:
    """|z - y|, in the label's unit: [B].

    Example:
      >>> absolute_error(torch.tensor([[3.0]]), torch.tensor([5.0]))
      tensor([2.])
    """
    return torch.abs(outputs_BO.squeeze(-1) - labels_B)


def task_loss(loss: ExampleLoss, outputs_BO: Tensor, labels_B: Tensor, mask_B: Tensor) -> Tensor:
    """The loss of one task: the mean over the examples that are labelled for it.

    L = sum_b m_b l(z_b, y_b) / max(1, sum_b m_b)

    A batch without a label of the task gives L = 0 and a gradient of zero. What stands where a label is missing, NaN
    for one, has no influence.

    Args:
      loss: l.
      outputs_BO: float, z.
      labels_B: y.
      mask_B: float, m: 1 where the label is known, else 0.

    Returns:
      [] float.

    Example:
      >>> outputs, labels = torch.zeros(2, 1), torch.tensor([1.0, torch.nan])
      >>> task_loss(binary_cross_entropy, outputs, labels, torch.tensor([1.0, 0.0]))
      tensor(0.6931)
    """
    known_B = mask_B > 0.0
    known = known_B.view(-1, *(1,) * (labels_B.dim() - 1))
    losses_B = loss(outputs_BO, torch.where(known, labels_B, torch.zeros_like(labels_B)))
    return torch.where(known_B, losses_B, 0.0).sum() / mask_B.sum().clamp(min=1.0)


@cache  # so that two tasks with one delta, or one smoothing, have one loss, and their heads are stacked
def _huber(delta: float) -> ExampleLoss:
    return partial(_huber_error, delta=delta)


def _huber_error(outputs_BO: Tensor, labels_B: Tensor, delta: float) -> Tensor:
    return functional.huber_loss(outputs_BO.squeeze(-1), labels_B, reduction="none", delta=delta)


def _softened(class_weights: Tensor | None, label_smoothing: float, is_binary: bool) -> ExampleLoss:
    if not 0.0 <= label_smoothing < 1.0:
        raise UserError(f"label_smoothing is {label_smoothing:g}; it must lie in [0, 1)", "label_smoothing")
    smoothed = _smoothed(label_smoothing, is_binary)
    return smoothed if class_weights is None else partial(smoothed, weights_C=class_weights)


@cache
def _smoothed(label_smoothing: float, is_binary: bool) -> partial[Tensor]:
    return partial(_softened_entropy, smoothing=label_smoothing, is_binary=is_binary)


def _softened_entropy(
    outputs_BO: Tensor, labels_B: Tensor, smoothing: float, is_binary: bool, weights_C: Tensor | None = None
) -> Tensor:
    logits_BC = torch.cat([torch.zeros_like(outputs_BO), outputs_BO], dim=1) if is_binary else outputs_BO
    weights_C = None if weights_C is None else weights_C.to(logits_BC.dtype)
    labels_B = labels_B.to(torch.int64)
    return functional.cross_entropy(logits_BC, labels_B, weights_C, reduction="none", label_smoothing=smoothing)
