"""Uncertainty weighting: the closed-form gradient, its resting point, dropped tasks."""

import torch

from mtl.methods.uncertainty import uncertainty


def test_starts_with_equal_weights_and_moves_by_the_gradient_of_the_loss() -> None:
    """One update of s equals torch.optim.Adam's on sum exp(-s) L + s / 2, differentiated by autograd."""
    method, losses, rate = uncertainty(), torch.tensor([0.7, 0.2, 0.5]), torch.tensor(0.1)
    state = method.init(3, torch.device("cpu"))
    s = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([s], lr=0.1)
    for step in range(3):
        weights, state = method.update(state, losses, torch.tensor([True] * 3), rate)
        torch.testing.assert_close(weights, torch.exp(-s.detach()))
        if step == 0:
            assert torch.equal(weights, torch.ones(3))
        optimizer.zero_grad()
        (torch.exp(-s) * losses + s / 2).sum().backward()
        optimizer.step()
        torch.testing.assert_close(state.log_variances["s"], s.detach())


def test_rests_where_the_weight_is_one_over_twice_the_loss() -> None:
    method, losses = uncertainty(), torch.tensor([0.7, 0.2])
    state = method.init(2, torch.device("cpu"))
    for step in range(3000):
        weights, state = method.update(state, losses, torch.tensor([True] * 2), torch.tensor(0.3 / (step + 10)))
    torch.testing.assert_close(weights, 1 / (2 * losses), rtol=1e-3, atol=1e-3)


def test_a_dropped_task_stands_still() -> None:
    method, losses, rate = uncertainty(), torch.tensor([0.7, 0.2]), torch.tensor(0.1)
    _, state = method.update(method.init(2, torch.device("cpu")), losses, torch.tensor([True, True]), rate)
    _, after = method.update(state, losses, torch.tensor([True, False]), rate)
    before, now = state.log_variances["s"], after.log_variances["s"]
    assert now[0] != before[0] and now[1] == before[1]
