"""Per-task gradients: against autograd task by task, against finite differences, and the two forms."""

import torch
from torch.utils._pytree import tree_map

from mtl.gradients.per_task import by_tap, features_products, stack, sum_by_tap, task_losses_and_gradients, unstack
from mtl.losses import binary_cross_entropy, task_loss
from mtl.models.heads import HeadParams
from mtl.models.images import normalize
from mtl.models.model import Model
from tests.tiny import make_batch, make_tiny

Tensors = dict[str, torch.Tensor]


def make_case(head: str = "mlp") -> tuple[Model, HeadParams, Tensors, Tensors, Tensors]:
    model, params, buffers = make_tiny(head=head)
    batch = make_batch()
    features, _ = model.trunk(params.trunk, buffers, normalize(batch.inputs), True)
    to_double = lambda tree: tree_map(lambda value: value.double(), tree)  # noqa: E731
    return model, *to_double((params.heads, features, batch.labels, batch.mask))


def test_task_by_task_autograd_agrees() -> None:
    model, heads, features, labels, mask = make_case()
    losses, gradients = task_losses_and_gradients(model, heads, features, labels, mask)
    assert tuple(losses) == tuple(gradients.heads) == tuple(gradients.features) == model.tasks
    for key, group in model.groups.items():
        for index, task in enumerate(group.tasks):
            leaves = {name: value[index].clone().requires_grad_() for name, value in heads[key].items()}
            z = features[group.tap].clone().requires_grad_()
            loss = task_loss(binary_cross_entropy, model.head(leaves, z), labels[task], mask[task])
            *head_gradients, z_gradient = torch.autograd.grad(loss, [*leaves.values(), z])
            torch.testing.assert_close(losses[task], loss.detach())
            torch.testing.assert_close(gradients.features[task], z_gradient)
            for name, expected in zip(leaves, head_gradients, strict=True):
                torch.testing.assert_close(gradients.heads[task][name], expected)


def test_features_gradient_against_finite_differences() -> None:
    model, heads, features, labels, mask = make_case()
    _, gradients = task_losses_and_gradients(model, heads, features, labels, mask)
    direction = tree_map(torch.randn_like, features)
    step = 1e-6
    move = lambda sign: tree_map(lambda z, d: z + sign * step * d, features, direction)  # noqa: E731
    up, _ = task_losses_and_gradients(model, heads, move(+1), labels, mask)
    down, _ = task_losses_and_gradients(model, heads, move(-1), labels, mask)
    for group in model.groups.values():
        for task in group.tasks:
            slope = (up[task] - down[task]) / (2 * step)
            expected = (gradients.features[task] * direction[group.tap]).sum()
            torch.testing.assert_close(slope, expected, rtol=1e-6, atol=1e-8)


def test_gramian_by_hand() -> None:
    model, *_ = make_tiny()  # a and c read the last stage, b an earlier one
    gradients = {
        "a": torch.tensor([[1.0, 2.0], [0.0, 1.0]]),
        "b": torch.tensor([[3.0], [4.0]]),
        "c": torch.tensor([[1.0, 0.0], [0.0, -1.0]]),
    }
    expected = torch.tensor([[6.0, 0.0, 0.0], [0.0, 25.0, 0.0], [0.0, 0.0, 2.0]])
    products = features_products(model, gradients, torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    torch.testing.assert_close(products.gramian_KK, expected)
    # An image in each half, so a half's own gradient is twice its part; c has one label, in the second half.
    halves_KK = torch.tensor([[2.0, 0.0, -2.0], [0.0, 12.0, 0.0], [0.0, 0.0, 0.0]]) * torch.tensor([2.0, 2.0, 1.0])
    torch.testing.assert_close(products.halves_KK, halves_KK * torch.tensor([[2.0], [2.0], [1.0]]))
    stacked = by_tap(model, gradients)
    assert torch.equal(stacked["stage2"][1], torch.zeros(2, 2)) and torch.equal(stacked["stage2"][2], gradients["c"])
    assert torch.equal(stacked["stage1"], torch.stack([torch.zeros(2, 1), gradients["b"], torch.zeros(2, 1)]))
    sums = sum_by_tap(model, gradients)
    assert torch.equal(sums["stage2"], torch.tensor([[2.0, 2.0], [0.0, 0.0]]))
    assert torch.equal(sums["stage1"], gradients["b"])


def test_stack_and_unstack_are_inverse() -> None:
    stacked = {"weight": torch.randn(3, 1, 5), "bias": torch.randn(3, 1)}
    there = unstack(stacked, ("a", "b", "c"))
    assert torch.equal(there["b"]["weight"], stacked["weight"][1])
    back = stack(there, ("a", "b", "c"))
    assert all(torch.equal(back[name], stacked[name]) for name in stacked)
