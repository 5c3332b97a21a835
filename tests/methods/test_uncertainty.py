"""Uncertainty weighting: the closed-form gradient, its resting point, dropped tasks."""

import torch

from mtl.methods.uncertainty import uncertainty
from tests.methods.properties import init64, observe


def test_starts_with_equal_weights_and_moves_by_the_gradient_of_the_loss() -> None:
    """One update of s equals torch.optim.Adam's on sum exp(-s) L + s / 2, differentiated by autograd."""
    observation = observe([0.7, 0.2, 0.5], learning_rate=torch.tensor(0.1))
    method, state = uncertainty(), init64(uncertainty, 3)
    s = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([s], lr=0.1)
    for step in range(3):
        weights, state = method.update(state, observation)
        torch.testing.assert_close(weights, torch.exp(-s.detach()))
        if step == 0:
            assert (weights == 1).all()
        optimizer.zero_grad()
        (torch.exp(-s) * observation.losses_K + s / 2).sum().backward()
        optimizer.step()
        torch.testing.assert_close(state.values_K, s.detach())


def test_rests_where_the_weight_is_one_over_twice_the_loss() -> None:
    method, state, losses = uncertainty(), init64(uncertainty, 2), torch.tensor([0.7, 0.2], dtype=torch.float64)
    for step in range(3000):
        observation = observe([0.7, 0.2], learning_rate=torch.tensor(0.3 / (step + 10)))
        weights, state = method.update(state, observation)
    torch.testing.assert_close(weights, 1 / (2 * losses), rtol=1e-3, atol=1e-3)


def test_a_dropped_task_stands_still() -> None:
    method, observation = uncertainty(), observe([0.7, 0.2])
    _, state = method.update(init64(uncertainty, 2), observation)
    _, after = method.update(state, observation._replace(open_K=torch.tensor([True, False])))
    before, now = state.values_K, after.values_K
    assert now[0] != before[0] and now[1] == before[1]
    assert after.optimizer.num_updates.tolist() == [2, 1]
