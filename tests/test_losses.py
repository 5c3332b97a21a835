"""Task losses: values by hand and torch.nn's, the mask, NaN where a label is missing, finite differences."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mtl.errors import UserError
from mtl.losses import Task, binary, binary_cross_entropy, classes, regression, task_loss

MASK = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)


def draw(task: Task) -> tuple[Tensor, Tensor]:
    """Outputs [6, O] and labels [6] of the task's kind, float64."""
    generator = torch.Generator().manual_seed(0)
    outputs_BO = torch.randn(6, task.num_outputs, generator=generator, dtype=torch.float64)
    if task.kind == "regression":
        return outputs_BO, 3 * torch.randn(6, generator=generator, dtype=torch.float64)
    labels_B = torch.randint(max(task.num_outputs, 2), (6,), generator=generator)
    return outputs_BO, labels_B.double() if task.kind == "binary" else labels_B


def test_by_hand() -> None:
    # softplus(0) = log 2; softplus(1) - 1 = log(1 + e) - 1
    outputs, labels = torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0.0, 1.0, 0.0])
    loss = task_loss(binary_cross_entropy, outputs, labels, torch.tensor([1.0, 1.0, 0.0]))
    assert math.isclose(loss.item(), (math.log(2) + math.log(1 + math.e) - 1) / 2, rel_tol=1e-6)


TASKS: dict[str, tuple[Task, nn.Module]] = {
    "binary": (binary(), nn.BCEWithLogitsLoss()),
    "classes": (classes(4), nn.CrossEntropyLoss()),
    "smoothed": (classes(4, label_smoothing=0.2), nn.CrossEntropyLoss(label_smoothing=0.2)),
    "squared": (regression(), nn.MSELoss()),
    "l1": (regression("l1"), nn.L1Loss()),
    "huber": (regression("huber", delta=0.5), nn.HuberLoss(delta=0.5)),
}


@pytest.mark.parametrize("name", TASKS)
def test_loss_and_gradient_are_torchs_over_the_known_labels(name: str) -> None:
    task, reference = TASKS[name]
    outputs_BO, labels_B = draw(task)
    known = MASK > 0
    ours, theirs = (outputs_BO.clone().requires_grad_() for _ in range(2))
    loss = task_loss(task.loss, ours, labels_B, MASK)
    kept = theirs[known] if task.kind == "classes" else theirs[known, 0]
    expected = reference(kept, labels_B[known])
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, ours), torch.autograd.grad(expected, theirs))
    assert torch.autograd.gradcheck(lambda z: task_loss(task.loss, z, labels_B, MASK), outputs_BO.requires_grad_())


@pytest.mark.parametrize("name", TASKS)
def test_what_stands_for_a_missing_label_has_no_influence(name: str) -> None:
    task, _ = TASKS[name]
    outputs_BO, labels_B = draw(task)
    nothing: Any = 99 if task.kind == "classes" else torch.nan
    found = []
    for labels in (labels_B, torch.where(MASK > 0, labels_B, nothing)):
        leaf = outputs_BO.clone().requires_grad_()
        loss = task_loss(task.loss, leaf, labels, MASK)
        found.append((loss, *torch.autograd.grad(loss, leaf)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other) and torch.isfinite(one).all()


def test_without_a_label_loss_and_gradient_are_zero() -> None:
    logits = torch.randn(4, 1, requires_grad=True)
    loss = task_loss(binary_cross_entropy, logits, torch.ones(4), torch.zeros(4))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0.0
    assert torch.equal(gradient, torch.zeros(4, 1))


def test_equal_tasks_have_one_loss() -> None:
    """So that their heads are stacked."""
    assert classes(3).loss is classes(5).loss
    assert regression("huber", 2.0).loss is regression("huber", 2.0).loss
    assert regression("huber", 2.0).loss is not regression("huber", 1.0).loss


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: classes(1), "at least 2"),
        (lambda: regression("huber", 0.0), "delta is 0.0"),
        (lambda: regression("l2"), "choose squared, l1 or huber"),
    ],
)
def test_mistakes(make: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_weighted_classes_are_torchs(num_classes: int, smoothing: float) -> None:
    """Of each example; torch's mean divides by the sum of the weights, ours by the number of labels."""
    weights_C = torch.arange(1, num_classes + 1, dtype=torch.float64) / 2
    task = binary(weights_C, smoothing) if num_classes == 2 else classes(num_classes, weights_C, smoothing)
    outputs_BO, labels_B = draw(task)
    reference = nn.CrossEntropyLoss(weights_C, reduction="none", label_smoothing=smoothing)
    ours, theirs = (outputs_BO.clone().requires_grad_() for _ in range(2))
    loss = task_loss(task.loss, ours, labels_B, MASK)
    logits_BC = torch.cat([torch.zeros_like(theirs), theirs], dim=1) if num_classes == 2 else theirs
    expected = (reference(logits_BC, labels_B.long()) * MASK).sum() / MASK.sum()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, ours), torch.autograd.grad(expected, theirs))


def test_tasks_of_one_smoothing_share_their_loss() -> None:
    assert classes(4, label_smoothing=0.1).loss is classes(4, label_smoothing=0.1).loss
    assert binary(label_smoothing=0.1).loss is not classes(4, label_smoothing=0.1).loss
    with pytest.raises(UserError, match="label_smoothing is 1"):
        classes(4, label_smoothing=1.0)
