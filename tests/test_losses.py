"""The task loss: a value by hand, the mask, the gradient against finite differences."""

import math

import torch

from mtl.losses import masked_binary_cross_entropy


def test_by_hand() -> None:
    # softplus(0) = log 2; softplus(1) - 1 = log(1 + e) - 1
    logits, labels = torch.tensor([0.0, 1.0, 9.0]), torch.tensor([0.0, 1.0, 0.0])
    loss = masked_binary_cross_entropy(logits, labels, torch.tensor([1.0, 1.0, 0.0]))
    assert math.isclose(loss.item(), (math.log(2) + math.log(1 + math.e) - 1) / 2, rel_tol=1e-6)


def test_without_a_label_loss_and_gradient_are_zero() -> None:
    logits = torch.randn(4, requires_grad=True)
    loss = masked_binary_cross_entropy(logits, torch.ones(4), torch.zeros(4))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0.0
    assert torch.equal(gradient, torch.zeros(4))


def test_gradient_against_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = (torch.rand(6, generator=generator) < 0.5).double()
    mask = torch.tensor([1, 1, 0, 1, 1, 0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: masked_binary_cross_entropy(z, labels, mask), logits)
