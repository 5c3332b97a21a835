"""The methods that look at losses only: values worked by hand, gradients by autograd, TorchJD."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtl.errors import UserError
from mtl.methods.base import Observation
from mtl.methods.coefficient_of_variation import coefficient_of_variation
from mtl.methods.dynamic_task_prioritization import dynamic_task_prioritization
from mtl.methods.dynamic_weight_average import dynamic_weight_average
from mtl.methods.equal import equal
from mtl.methods.famo import famo
from mtl.methods.geometric import geometric
from mtl.methods.go4align import go4align
from mtl.methods.impartial_losses import impartial_losses
from mtl.methods.ldc import ldc
from mtl.methods.loss_balanced import loss_balanced
from mtl.methods.random_weighting import random_weighting
from mtl.methods.scale_invariant import scale_invariant
from mtl.methods.smooth_tchebycheff import smooth_tchebycheff
from mtl.methods.soft_uncertainty import soft_uncertainty
from mtl.methods.uncertainty import uncertainty
from tests.methods import properties
from tests.methods.properties import Make, init64, observe, run, sequence

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None)


def weights_of(make: Make, *losses_TK: list[float], **fields: Any) -> list[float]:
    """The weights in the last of some steps, from the first state; each step begins an epoch."""
    weights_TK, _ = run(make, init64(make, len(losses_TK[0])), [observe(losses, **fields) for losses in losses_TK])
    return weights_TK[-1].tolist()


# Worked by hand


def test_equal() -> None:
    assert weights_of(equal, [0.3, 2.0]) == [1.0, 1.0]


def test_scale_invariant() -> None:
    assert weights_of(scale_invariant, [0.5, 4.0]) == [2.0, 0.25]


def test_geometric() -> None:
    """The geometric mean of 1 and 4 is 2."""
    assert weights_of(geometric, [1.0, 4.0]) == pytest.approx([2 / (2 * 1), 2 / (2 * 4)])


def test_geometric_does_not_underflow() -> None:
    """The product of 40 losses of 1e-6 is 1e-240."""
    observation = properties.to_dtype(observe([1e-6] * 40), torch.float32)
    weights_K, _ = geometric().update((), observation)
    torch.testing.assert_close(weights_K, torch.full((40,), 1 / 40))


def test_soft_uncertainty() -> None:
    """1 / (T L) is 1 and 1 + log 3, so the odds are 1 to 3."""
    make = lambda: soft_uncertainty(temperature=2.0)  # noqa: E731
    assert weights_of(make, [0.5, 0.5 / (1 + math.log(3))]) == pytest.approx([0.25, 0.75])


def test_smooth_tchebycheff() -> None:
    """lambda L / mu is 1 and 1 + log 3; lambda is 1/2."""
    make = lambda: smooth_tchebycheff(mu=1.0)  # noqa: E731
    assert weights_of(make, [2.0, 2 + 2 * math.log(3)]) == pytest.approx([0.125, 0.375])


def test_dynamic_weight_average() -> None:
    """Equal for two epochs; then the ratios of their means are 1 and 1/2, and the odds exp(1/4) to 1."""
    losses = [([1.0, 3.0], 0), ([3.0, 5.0], 1), ([2.0, 1.0], 0), ([2.0, 3.0], 1), ([9.0, 9.0], 0), ([9.0, 9.0], 1)]
    observations = [observe(values, epoch_step=torch.tensor(step)) for values, step in losses]
    weights_TK, _ = run(dynamic_weight_average, init64(dynamic_weight_average, 2), observations)
    first = 2 / (1 + math.exp(-0.25))
    for weights_K, expected in zip(weights_TK, 4 * [[1.0, 1.0]] + 2 * [[first, 2 - first]], strict=True):
        assert weights_K.tolist() == pytest.approx(expected)


def test_dynamic_weight_average_of_a_task_that_was_shut_for_an_epoch() -> None:
    """Its two means, 4 and 2, are of the epochs in which it was open."""
    gates = [[True, True], [True, False], [True, True], [True, True]]
    losses = [[1.0, 4.0], [1.0, 7.0], [1.0, 2.0], [1.0, 9.0]]
    observations = [observe(values, open_K=torch.tensor(on)) for values, on in zip(losses, gates, strict=True)]
    weights_TK, _ = run(dynamic_weight_average, init64(dynamic_weight_average, 2), observations)
    first = 2 / (1 + math.exp(-0.25))
    assert weights_TK[-1].tolist() == pytest.approx([first, 2 - first])


def test_loss_balanced() -> None:
    """A loss at a quarter of the epoch's first has weight 1/2; a new epoch starts again at 1."""
    steps = [([1.0, 4.0], 0), ([0.25, 4.0], 1)] * 2
    observations = [observe(losses, epoch_step=torch.tensor(step)) for losses, step in steps]
    weights_TK, _ = run(loss_balanced, init64(loss_balanced, 2), observations)
    assert [weights_K.tolist() for weights_K in weights_TK] == [[1.0, 1.0], [0.5, 1.0]] * 2


def test_coefficient_of_variation() -> None:
    """After losses 1, 2 the ratios are 1, 2: c = 0.5 / 1.5. After 1, 1.5 they are 1, 1.5: c = 0.25 / 1.25."""
    assert weights_of(coefficient_of_variation, [1.0, 1.0], [2.0, 1.5]) == pytest.approx([0.5, 0.5])
    assert weights_of(coefficient_of_variation, [1.0, 1.0], [2.0, 1.5], [7.0, 7.0]) == pytest.approx(
        [0.625, 0.375], abs=1e-6
    )


def test_coefficient_of_variation_of_a_long_run() -> None:
    """Against NumPy's mean and standard deviation of all ratios at once."""
    losses_TK = np.exp(np.random.default_rng(0).normal(size=(30, 3)))
    means_TK = np.cumsum(losses_TK, axis=0) / np.arange(1, 31)[:, None]
    ratios_TK = np.vstack([np.ones(3), losses_TK[1:] / means_TK[:-1]])
    variation_K = np.sqrt(ratios_TK.var(axis=0) + 1e-8) / ratios_TK.mean(axis=0)
    actual = weights_of(coefficient_of_variation, *losses_TK.tolist(), [1.0, 1.0, 1.0])
    assert actual == pytest.approx(variation_K / variation_K.sum())


def test_coefficient_of_variation_of_a_late_task() -> None:
    """It takes the average c of the others, a third of the weight beside two of them, until it has two losses."""
    gates = 2 * [[True, True, False]] + [[False, False, True], [True, True, True]]
    losses = [[1.0, 1.0, 1.0], [2.0, 1.5, 1.0], [1.0, 1.0, 9.0], [1.0, 1.0, 1.0]]
    observations = [observe(values, open_K=torch.tensor(on)) for values, on in zip(losses, gates, strict=True)]
    weights_TK, _ = run(coefficient_of_variation, init64(coefficient_of_variation, 3), observations)
    assert weights_TK[-1].tolist() == pytest.approx([0.625 * 2 / 3, 0.375 * 2 / 3, 1 / 3], abs=1e-6)


def test_dynamic_task_prioritization() -> None:
    """The likelihoods are 1/2 and 1/4; then both are 1/4, and the first average is 3/8."""
    make = lambda: dynamic_task_prioritization(gamma=2.0, smoothing=0.5)  # noqa: E731
    first, second = [math.log(2), math.log(4)], [math.log(4), math.log(4)]
    assert weights_of(make, first) == pytest.approx([0.5**2 * math.log(2), 0.75**2 * math.log(4)])
    assert weights_of(make, first, second) == pytest.approx([0.625**2 * math.log(8 / 3), 0.75**2 * math.log(4)])


def test_go4align_risks() -> None:
    """gamma is 2/3 and 1/3, the sum of the losses over each is 3 and 3/2; each task is a group."""
    assert weights_of(lambda: go4align(step_size=math.log(2)), [1.0, 2.0]) == pytest.approx([2.0, 0.5])


def test_go4align_groups() -> None:
    """omega is 15/4, 15/8, 15/16, 15/32: two groups, the largest alone."""
    others = 15 * (1 / 8 + 1 / 16 + 1 / 32) / 3
    losses = [1.0, 2.0, 4.0, 8.0]
    assert weights_of(lambda: go4align(step_size=0.0), losses) == pytest.approx([15 / 4, others, others, others])
    assert weights_of(lambda: go4align(num_groups=1, step_size=0.0), losses) == pytest.approx(
        4 * [15 * (1 + 1 / 2 + 1 / 4 + 1 / 8) / 16]
    )


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(2, 40), st.integers(1, 5))
def test_go4align_groups_are_those_of_k_means(seed: int, num_tasks: int, num_groups: int) -> None:
    """Every omega is at least as near to its own group's mean as to another's."""
    observation = sequence(seed, num_tasks, num_steps=1)[0]
    omega_K = observation.losses_K.sum() / observation.losses_K / num_tasks
    weights_K, _ = go4align(num_groups, step_size=0.0).update(init64(go4align, num_tasks), observation)
    means_G = torch.unique(weights_K)
    assert len(means_G) <= num_groups
    for mean in means_G:
        torch.testing.assert_close(omega_K[weights_K == mean].mean(), mean)
    nearest_K = (omega_K[:, None] - means_G).abs().amin(dim=1)
    torch.testing.assert_close((omega_K - weights_K).abs(), nearest_K)


def test_ldc() -> None:
    """With equal sigma the first loss, smaller, is below its neighbour and loses penalty sigma."""
    sigma = 1 / (1 + math.exp(-1))
    assert weights_of(ldc, [1.0, 2.0]) == pytest.approx([0.5 - 0.01 * sigma, 0.5 + 0.01 * sigma])


def test_ldc_neighbours_skip_shut_gates() -> None:
    """Of 1, 9, 2, 3 with 9 shut, the middle one is above one neighbour and below the other."""
    sigma, gates = 1 / (1 + math.exp(-1)), torch.tensor([True, False, True, True])
    assert weights_of(ldc, [1.0, 9.0, 2.0, 3.0], open_K=gates) == pytest.approx(
        [1 / 3 - 0.01 * sigma, 0.0, 1 / 3, 1 / 3 + 0.01 * sigma]
    )


def test_random_weighting() -> None:
    """Normal quantiles 0 and 1; exponential quantiles 1 and 3."""
    normal = torch.tensor([0.5, 0.5 * (1 + math.erf(1 / math.sqrt(2)))], dtype=torch.float64)
    assert weights_of(random_weighting, [1, 1], uniforms_K=normal) == pytest.approx(
        [1 / (1 + math.e), 1 / (1 + 1 / math.e)]
    )
    exponential = 1 - torch.exp(-torch.tensor([1.0, 3.0], dtype=torch.float64))
    dirichlet = lambda: random_weighting("dirichlet")  # noqa: E731
    assert weights_of(dirichlet, [1, 1], uniforms_K=exponential) == pytest.approx([0.25, 0.75])


def test_random_bernoulli_throws_again_until_a_task_is_on() -> None:
    """Of all pairs of six binary digits, three outcomes are equally frequent; with no 1 at all, both tasks are on."""
    grid = torch.arange(64, dtype=torch.float64) / 64
    counts: dict[tuple[float, ...], int] = {}
    method = random_weighting("bernoulli")
    for pair in torch.cartesian_prod(grid, grid):
        outcome = tuple(method.update((), observe([1.0, 1.0], uniforms_K=pair))[0].tolist())
        counts[outcome] = counts.get(outcome, 0) + 1
    assert counts == {(1.0, 0.0): 1365, (0.0, 1.0): 1365, (1.0, 1.0): 1366}


@pytest.mark.parametrize("distribution", ["normal", "dirichlet", "bernoulli"])
@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-24])
def test_random_weighting_at_the_ends_of_the_uniforms(distribution: str, uniform: float) -> None:
    observation = observe([1.0, 1.0, 1.0], uniforms_K=torch.full((3,), uniform))
    weights_K, _ = random_weighting(distribution).update((), properties.to_dtype(observation, torch.float32))
    torch.testing.assert_close(weights_K, torch.full((3,), 1.0 if distribution == "bernoulli" else 1 / 3))


def test_random_weighting_refuses_another_distribution() -> None:
    with pytest.raises(UserError, match="normal, dirichlet, bernoulli"):
        random_weighting("uniform")


# The gradient of the total loss


def total_smooth_tchebycheff(losses_K: Tensor) -> Tensor:
    return 0.01 * torch.logsumexp(losses_K / len(losses_K) / 0.01, dim=0)


def total_famo(losses_K: Tensor) -> Tensor:
    z_K = torch.full_like(losses_K, 1 / len(losses_K))
    return (z_K * losses_K.log()).sum() / (z_K / losses_K.detach()).sum()


def total_ldc(losses_K: Tensor) -> Tensor:
    return ldc_objective(torch.ones_like(losses_K), losses_K)


def ldc_objective(a_K: Tensor, losses_K: Tensor) -> Tensor:
    sigma_K = torch.sigmoid(a_K)
    scaled_K = sigma_K * losses_K
    return scaled_K.sum() / sigma_K.sum().detach() + 0.01 * (scaled_K[:-1] - scaled_K[1:]).abs().sum()


@pytest.mark.parametrize(
    ("make", "total"),
    [
        (equal, torch.sum),
        (scale_invariant, lambda losses_K: losses_K.log().sum()),
        (geometric, lambda losses_K: losses_K.prod() ** (1 / len(losses_K))),
        (smooth_tchebycheff, total_smooth_tchebycheff),
        (famo, total_famo),
        (ldc, total_ldc),
    ],
)
@few
@given(seeds, st.integers(1, 8))
def test_weights_are_the_gradient_of_the_total_loss(
    make: Make, total: Callable[[Tensor], Tensor], seed: int, num_tasks: int
) -> None:
    observation = sequence(seed, num_tasks, num_steps=1)[0]
    losses_K = observation.losses_K.clone().requires_grad_()
    (expected_K,) = torch.autograd.grad(total(losses_K), losses_K)
    torch.testing.assert_close(make().update(init64(make, num_tasks), observation)[0], expected_K)


@pytest.mark.parametrize(
    ("make", "objective", "start"),
    [
        (uncertainty, lambda s_K, losses_K: (torch.exp(-s_K) * losses_K + s_K / 2).sum(), 0.0),
        (impartial_losses, lambda s_K, losses_K: (torch.exp(s_K) * losses_K - s_K).sum(), 0.0),
        (ldc, ldc_objective, 1.0),
    ],
)
def test_learned_parameters_follow_adam_on_the_objective(
    make: Make, objective: Callable[[Tensor, Tensor], Tensor], start: float
) -> None:
    """Weights and parameters over 10 steps equal autograd and torch.optim.Adam."""
    parameters_K = torch.full((4,), start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([parameters_K], lr=0.01)
    method, state = make(), init64(make, 4)
    for observation in sequence(seed=1, num_tasks=4, num_steps=10):
        losses_K = observation.losses_K.clone().requires_grad_()
        weights_K, state = method.update(state, observation)
        optimizer.zero_grad()
        objective(parameters_K, losses_K).backward()
        assert losses_K.grad is not None
        torch.testing.assert_close(weights_K, losses_K.grad)
        optimizer.step()
        torch.testing.assert_close(state.values_K, parameters_K.detach())


def test_famo_follows_adam_on_the_progress() -> None:
    """xi over 10 steps equals torch.optim.Adam with the Jacobian by autograd, L2 decay and the next batch's losses."""
    xi_K = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([xi_K], lr=0.025, weight_decay=1e-3)
    method, state, previous_K = famo(), init64(famo, 4), None
    for observation in sequence(seed=1, num_tasks=4, num_steps=10):
        weights_K, state = method.update(state, observation)
        if previous_K is not None:
            progress_K = previous_K.log() - observation.losses_K.log()
            xi_K.grad = torch.autograd.grad(torch.softmax(xi_K, 0), xi_K, progress_K)[0]
            optimizer.step()
        expected_K = torch.softmax(xi_K.detach(), 0) / observation.losses_K
        torch.testing.assert_close(weights_K, expected_K / expected_K.sum())
        previous_K = observation.losses_K


def test_famo_moves_tasks_only_that_are_open_twice_running() -> None:
    on, off = torch.tensor([True, True, True]), torch.tensor([True, True, False])
    method, state = famo(), init64(famo, 3)
    for gates, moves in [(on, [0, 0, 0]), (off, [1, 1, 0]), (on, [2, 2, 0]), (on, [3, 3, 1])]:
        _, state = method.update(state, observe([1.0, 2.0, 3.0], open_K=gates))
        assert state.logits.optimizer.num_updates.tolist() == moves


def test_famo_of_a_task_that_joins_moves_the_others_as_before() -> None:
    """In the step in which the third task opens, the progress of the first two alone is compared."""
    losses, gates = [[1.0, 2.0, 9.0], [0.9, 1.9, 9.0], [0.5, 1.8, 3.0]], [False, False, True]
    observations = [
        observe(values, open_K=torch.tensor([True, True, third])) for values, third in zip(losses, gates, strict=True)
    ]
    _, state = run(famo, init64(famo, 3), observations)
    _, alone = run(famo, init64(famo, 2), [observe(values[:2]) for values in losses])
    torch.testing.assert_close(state.logits.values_K[:2], alone.logits.values_K)


# Against TorchJD, where it has the method


def test_agrees_with_torchjd() -> None:
    """Geometric mean and STCH on 1,000 random losses; over a run, FAMO fed the next batch's losses, and DWA."""
    scalarization = pytest.importorskip("torchjd.scalarization")

    def gradient(scalarizer: Any, observation: Observation) -> Tensor:
        losses_K = observation.losses_K.clone().requires_grad_()
        return torch.autograd.grad(scalarizer(losses_K), losses_K)[0]

    observations = sequence(seed=2, num_tasks=6, num_steps=1000)
    for make, scalarizer in [
        (geometric, scalarization.GeometricMean()),
        (smooth_tchebycheff, scalarization.STCH(mu=0.01)),
    ]:
        weights_TK, _ = run(make, (), observations)
        for weights_K, observation in zip(weights_TK, observations, strict=True):
            torch.testing.assert_close(weights_K, gradient(scalarizer, observation), rtol=1e-5, atol=1e-9)

    theirs, method, state = scalarization.FAMO(6).double(), famo(), init64(famo, 6)
    average, ours, average_state = scalarization.DWA(), dynamic_weight_average(), init64(dynamic_weight_average, 6)
    for step, observation in enumerate(observations[:60]):
        if step > 0:
            theirs.update(observation.losses_K)
        weights_K, state = method.update(state, observation)
        # TorchJD adds 1e-8 to each loss.
        torch.testing.assert_close(weights_K, gradient(theirs, observation), rtol=1e-5, atol=0)
        if step > 0 and step % 3 == 0:
            average.step()
        weights_K, average_state = ours.update(average_state, observation)
        torch.testing.assert_close(weights_K, gradient(average, observation), rtol=1e-5, atol=0)
