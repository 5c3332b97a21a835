"""GradNorm: steps by hand, where it settles, and Adam on its objective by autograd."""

import math
from functools import partial

import pytest
import torch

from mtl.methods.gradnorm import gradnorm
from tests.methods.properties import (
    gramian_of,
    init64,
    observe,
    run,
    sequence,
)


def test_gradnorm() -> None:
    """|g| = 1 and 3, equal rates: Adam's first step is 0.1 towards the mean of 2, then the weights sum to 2 again."""
    observations = [observe([1.0, 5.0], gramian_KK=gramian_of((1.0, 0.0), (0.0, 3.0)))] * 2
    make = partial(gradnorm, learning_rate=0.1)
    weights_TK, _ = run(make, init64(make, 2), observations)
    assert weights_TK[0].tolist() == [1.0, 1.0]
    first = 2.0 / (1.0 + math.exp(-0.2))
    assert weights_TK[1].tolist() == pytest.approx([first, 2.0 - first])


def test_gradnorm_pulls_the_slow_task_forward() -> None:
    """With gradients of length 1 all along, and losses at 1 and 1/3 of the first: rates 3/2 and 1/2."""
    make = partial(gradnorm, learning_rate=0.1)
    weights_TK, _ = run(make, init64(make, 2), [observe([3.0, 3.0]), observe([3.0, 1.0]), observe([3.0, 1.0])])
    assert weights_TK[1].tolist() == [1.0, 1.0]
    assert weights_TK[2][0] > 1.0 > weights_TK[2][1]


def test_gradnorm_settles_where_its_targets_are() -> None:
    """Lengths w |g| of 1, 10 and 100, rates 1: weights in the ratio 100 : 10 : 1, and no weight turns negative."""
    gramian_KK = torch.diag(torch.tensor([1.0, 100.0, 10000.0], dtype=torch.float64))
    weights_TK, _ = run(gradnorm, init64(gradnorm, 3), [observe([1.0, 1.0, 1.0], gramian_KK=gramian_KK)] * 600)
    expected_K = 3.0 * torch.tensor([100.0, 10.0, 1.0], dtype=torch.float64) / 111.0
    torch.testing.assert_close(weights_TK[-1], expected_K, rtol=0.1, atol=0.0)


def test_gradnorm_follows_adam_on_its_objective() -> None:
    """Ten steps by autograd and torch.optim.Adam; log w is normalised after each, in place."""
    log_weights_K = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([log_weights_K], lr=0.025)
    method, state, first_losses_K = gradnorm(), init64(gradnorm, 4), None
    for observation in sequence(seed=1, num_tasks=4, num_steps=10):
        weights_K, state = method.update(state, observation)
        torch.testing.assert_close(weights_K, log_weights_K.detach().exp())
        first_losses_K = observation.losses_K if first_losses_K is None else first_losses_K
        ratios_K = observation.losses_K / first_losses_K
        lengths_K = log_weights_K.exp() * observation.gramian_KK.diagonal().sqrt()
        targets_K = (lengths_K.mean() * (ratios_K / ratios_K.mean()) ** 1.5).detach()
        optimizer.zero_grad()
        (lengths_K - targets_K).abs().sum().backward()
        optimizer.step()
        torch.testing.assert_close(state.log_weights.values_K, log_weights_K.detach())
        with torch.no_grad():
            log_weights_K -= log_weights_K.exp().mean().log()


def test_gradnorm_has_the_first_loss_that_it_sees_of_a_task() -> None:
    """The second task opens late, at a loss of 8, and stands still while it is shut."""
    gates, losses = [[True, False], [True, True], [True, False]], [[2.0, 9.0], [1.0, 8.0], [1.0, 4.0]]
    observations = [observe(values, open_K=torch.tensor(on)) for values, on in zip(losses, gates, strict=True)]
    _, state = run(gradnorm, init64(gradnorm, 2), observations)
    assert state.first_losses_K.tolist() == [2.0, 8.0]
    assert state.log_weights.optimizer.num_updates.tolist() == [3, 1]


def test_heads() -> None:
    """Weighted losses weigh heads too."""
    weights_K = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    heads_K = gradnorm().head_weights(init64(gradnorm, 3), observe([1.0, 2.0, 3.0]), weights_K)
    assert torch.equal(heads_K, weights_K)
