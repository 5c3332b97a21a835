"""Scalarisations, Krum, GradNorm, PCD and the hybrid IMTL: by hand, against TorchJD, and what all methods must do."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchjd import aggregation, scalarization

from mtl.errors import UserError
from mtl.methods.boundary_intersection import boundary_intersection
from mtl.methods.constant import constant
from mtl.methods.cosmos import cosmos
from mtl.methods.gradnorm import gradnorm
from mtl.methods.impartial import impartial
from mtl.methods.krum import krum
from mtl.methods.primary import PrimaryState, primary
from tests.methods import samplers
from tests.methods.properties import Make, init64, observe, run, sequence, to_dtype

CPU = torch.device("cpu")
METHODS: dict[str, Make] = {
    "constant": constant,
    "cosmos": cosmos,
    "boundary_intersection": boundary_intersection,
    "krum": krum,
    "gradnorm": gradnorm,
    "primary": primary,
    "impartial": impartial,
}
# The first two closest tasks have the same score, of which Krum takes one: with two to select it takes both.
every_method = pytest.mark.parametrize("name", METHODS)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None, derandomize=True)


def gramian_of(*rows: tuple[float, ...]) -> Tensor:
    jacobian_KN = torch.tensor(rows, dtype=torch.float64)
    return jacobian_KN @ jacobian_KN.T


def first_weights(make: Make, losses: list[float], **fields: Any) -> list[float]:
    weights_TK, _ = run(make, init64(make, len(losses)), [observe(losses, **fields)])
    return weights_TK[0].tolist()


def first_weights_of(make: Make, *rows: tuple[float, ...], **fields: Any) -> list[float]:
    return first_weights(make, len(rows) * [1.0], gramian_KK=gramian_of(*rows), **fields)


# Worked by hand


def test_constant() -> None:
    assert first_weights(partial(constant, (3.0, 0.5)), [1.0, 9.0]) == [3.0, 0.5]
    assert first_weights(constant, [1.0, 9.0]) == [0.5, 0.5]


def test_constant_behind_a_gate() -> None:
    """Given weights stay; the mean is that of the open tasks."""
    gates = torch.tensor([True, False, True])
    assert first_weights(partial(constant, (3.0, 0.5, 1.0)), [1.0, 1.0, 1.0], open_K=gates) == [3.0, 0.0, 1.0]
    assert first_weights(constant, [1.0, 1.0, 1.0], open_K=gates) == [0.5, 0.0, 0.5]


def test_cosmos() -> None:
    """u = (0.6, 0.8), sum 1.4: 1 - u sum u = 0.16, -0.12, times 2 / (sqrt(2) 5)."""
    scale = 2.0 / (math.sqrt(2.0) * 5.0)
    expected = [0.5 - 0.16 * scale, 0.5 + 0.12 * scale]
    assert first_weights(partial(cosmos, penalty=2.0), [3.0, 4.0]) == pytest.approx(expected)


def test_cosmos_lets_a_small_loss_rise() -> None:
    weights = first_weights(partial(cosmos, penalty=8.0), [0.1, 1.0])
    assert weights[0] < 0.0 < weights[1]


def test_boundary_intersection() -> None:
    """The mean of 1 and 3 is 2, d_2 = sqrt(2)."""
    expected = [(1.0 - 5.0) / math.sqrt(2.0), (1.0 + 5.0) / math.sqrt(2.0)]
    assert first_weights(boundary_intersection, [1.0, 3.0]) == pytest.approx(expected)


@pytest.mark.parametrize(("make", "expected"), [(cosmos, 1 / 7), (boundary_intersection, 7**-0.5)])
@pytest.mark.parametrize("loss", [1e-6, 0.3, 1e6])
def test_equal_losses_have_equal_weights_in_float32(make: Make, expected: float, loss: float) -> None:
    """Rounding would be blown up by 1 / |L| and 1 / d_2."""
    weights_K, _ = make().update((), to_dtype(observe([loss] * 7), torch.float32))
    torch.testing.assert_close(weights_K, torch.full((7,), expected))


POINTS = ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (3.0, 3.0), (9.0, -9.0))


@pytest.mark.parametrize(
    ("num_byzantine", "num_selected", "expected"),
    [
        (1, 1, [1, 0, 0, 0, 0]),  # two closest: 5, 6, 9, 23, 307
        (1, 2, [1 / 2, 1 / 2, 0, 0, 0]),
        (0, 1, [0, 1, 0, 0, 0]),  # three closest: 23, 19, 19, 41, 487; the first of the equals
        (0, 2, [0, 1 / 2, 1 / 2, 0, 0]),
        (0, 3, [1 / 3, 1 / 3, 1 / 3, 0, 0]),
        (4, 1, [1, 0, 0, 0, 0]),  # at least one is counted: 1, 1, 4, 10, 145
        (1, 5, [1 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 5]),
    ],
)
def test_krum(num_byzantine: int, num_selected: int, expected: list[float]) -> None:
    """Squared distances of `POINTS`: 1, 4, 18, 162 of the first; 5, 13, 145; 10, 202; 180."""
    assert first_weights_of(partial(krum, num_byzantine, num_selected), *POINTS) == pytest.approx(expected)


def test_krum_sums_squares() -> None:
    """On a line, 0 has others at 1 and 5, and 8.2 at 3.2 and 3.2: more in sum, less in squares."""
    assert first_weights_of(krum, (-1.0,), (0.0,), (5.0,), (8.2,), (11.4,)) == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([False, True, True, True, True], [0, 1, 0, 0, 0]),  # one closest of four: 5, 5, 10, 145
        ([False, False, True, False, True], [0, 0, 1, 0, 0]),
        ([False, False, False, True, False], [0, 0, 0, 1, 0]),
    ],
)
def test_krum_behind_gates(gates: list[bool], expected: list[float]) -> None:
    assert first_weights_of(krum, *POINTS, open_K=torch.tensor(gates)) == expected


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


def test_primary_alone_where_nothing_conflicts() -> None:
    assert first_weights_of(primary, (2.0, 0.0), (1.0, 1.0)) == pytest.approx([1.0, 0.0])


def test_primary_turns_to_keep_its_promise() -> None:
    """u = (1, 0) and (0, 1), which is promised 0.75: d' = (1, 0.75), of length 1.25; d = 2 (0.8, 0.6)."""
    weights = first_weights_of(partial(primary, tau=0.75, eps=0.0), (2.0, 0.0), (0.0, 5.0))
    assert weights == pytest.approx([0.8, 0.24], rel=1e-5)


def test_primary_may_be_another_task() -> None:
    make = partial(primary, task=1, tau=0.75, eps=0.0)
    assert first_weights_of(make, (0.0, 5.0), (2.0, 0.0)) == pytest.approx([0.24, 0.8], rel=1e-5)


def test_primary_behind_a_gate_is_the_first_open_task() -> None:
    make, gates = partial(primary, task=2, tau=0.75, eps=0.0), torch.tensor([False, True, False, True])
    weights = first_weights_of(make, (1.0, 1.0), (2.0, 0.0), (3.0, 1.0), (0.0, 5.0), open_K=gates)
    assert weights == pytest.approx([0.0, 0.8, 0.0, 0.24], rel=1e-5)


def test_primary_follows_its_own_gradient_where_the_others_oppose_each_other() -> None:
    assert first_weights_of(primary, (1.0, 0.0), (1.0, 1.0), (-2.0, -2.0)) == pytest.approx([1.0, 0.0, 0.0])


def test_primary_without_a_promise_compromises_with_tasks_that_oppose_each_other() -> None:
    """What of (1, 0) is orthogonal to them is (1, -1) / 2, rescaled to length 1."""
    rows = ((1.0, 0.0), (1.0, 1.0), (-2.0, -2.0))
    weights = first_weights_of(partial(primary, tau=0.0), *rows)
    assert np.array(weights) @ np.array(rows) == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=1e-5)


def test_primary_stands_still_where_its_gradient_or_the_direction_is_zero() -> None:
    """Without a promise, two opposite gradients leave no direction."""
    assert first_weights_of(primary, (0.0, 0.0), (1.0, 1.0)) == [0.0, 0.0]
    assert first_weights_of(partial(primary, tau=0.0), (1.0, 0.0), (-3.0, 0.0)) == [0.0, 0.0]


# Against transcriptions and TorchJD


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


@pytest.mark.parametrize("seed", range(3))
def test_impartial_is_imtl_g_of_scaled_gradients(seed: int) -> None:
    """Against the paper's formula a = g_1 U^T (D U^T)^-1 for the last K - 1 tasks, in NumPy, with Adam's scales."""
    generator, num_tasks = np.random.default_rng(seed), 4
    method, state = impartial(), init64(impartial, num_tasks)
    scales_K = torch.zeros(num_tasks, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([scales_K], lr=0.01)
    for _ in range(5):
        jacobian, losses_K = generator.standard_normal((num_tasks, 9)), torch.from_numpy(generator.random(num_tasks))
        observation = observe(losses_K, gramian_KK=torch.from_numpy(jacobian @ jacobian.T))
        weights_K, new_state = method.update(state, observation)
        factors = scales_K.detach().exp().numpy()
        scaled = factors[:, None] * jacobian
        units = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        differences, unit_differences = scaled[0] - scaled[1:], units[0] - units[1:]
        rest = scaled[0] @ unit_differences.T @ np.linalg.inv(differences @ unit_differences.T)
        expected = factors * np.concatenate([[1.0 - rest.sum()], rest])
        torch.testing.assert_close(weights_K, torch.from_numpy(expected), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(
            method.head_weights(state, observation, weights_K), torch.from_numpy(factors), rtol=1e-7, atol=0.0
        )
        optimizer.zero_grad()
        (scales_K.exp() * losses_K - scales_K).sum().backward()
        optimizer.step()
        state = new_state


def test_scalarisations_agree_with_torchjd() -> None:
    """With the gradients of TorchJD's values at 1,000 random losses. PBI there has 1e-12 under the root of d_2."""
    losses_NK = torch.from_numpy(np.exp(np.random.default_rng(0).normal(size=(1000, 6))))
    preferences_K = torch.full((6,), 1 / 6, dtype=torch.float64)
    weights = (0.1, 2.0, 0.0, 1.0, 0.5, 3.0)
    pairs: list[tuple[Make, Callable[[Tensor], Tensor]]] = [
        (constant, scalarization.Mean()),
        (partial(constant, weights), scalarization.Constant(torch.tensor(weights, dtype=torch.float64))),
        (partial(cosmos, penalty=3.0), scalarization.COSMOS(3.0, preferences_K)),
        (boundary_intersection, scalarization.PBI(5.0, preferences_K)),
    ]
    usual = observe([1.0] * 6)
    for make, scalarizer in pairs:
        update, state = make().update, init64(make, 6)
        weights_NK = torch.func.vmap(lambda losses_K: update(state, usual._replace(losses_K=losses_K))[0])(losses_NK)  # noqa: B023
        expected_NK = torch.func.vmap(torch.func.grad(scalarizer))(losses_NK)
        torch.testing.assert_close(weights_NK, expected_NK, rtol=1e-5, atol=1e-7)


def jacobians(num_tasks: int, number: int) -> Tensor:
    """[number, K, 3 K] float64: every second one of full rank, the others with some gradients far longer."""
    kinds = ("full_rank", "unbalanced")
    return torch.from_numpy(np.stack([samplers.gradients(kinds[n % 2], num_tasks, seed=n) for n in range(number)]))


@pytest.mark.parametrize(("num_byzantine", "num_selected"), [(1, 1), (0, 3), (2, 2)])
def test_krum_agrees_with_torchjd(monkeypatch: pytest.MonkeyPatch, num_byzantine: int, num_selected: int) -> None:
    """On 1,000 Gramians. TorchJD sums distances, the paper their squares: its root is taken away."""
    method = krum(num_byzantine, num_selected)
    weighting = aggregation.KrumWeighting(num_byzantine, num_selected)
    for num_tasks in (6, 9):  # with fewer, the lowest score would be shared by two
        gramians_NKK = jacobians(num_tasks, 500) @ jacobians(num_tasks, 500).mT
        weights_NK = torch.func.vmap(lambda gramian_KK: method.update((), samplers.observe(gramian_KK))[0])(
            gramians_NKK
        )
        with monkeypatch.context() as patch:
            patch.setattr(torch, "sqrt", lambda squares: squares)
            expected_NK = torch.stack([weighting(gramian_KK) for gramian_KK in gramians_NKK])
        torch.testing.assert_close(weights_NK, expected_NK)


@pytest.mark.parametrize("tau", [0.0, 0.02, 0.5])
def test_primary_agrees_with_torchjd(tau: float) -> None:
    """Directions on 1,020 Gramians: for each tau and number of tasks, 17 runs of five steps, with a short memory."""
    num_runs, num_steps = 17, 5
    method = primary(tau=tau, beta=0.8, eps=0.1)
    step = torch.func.vmap(lambda state, gramian_KK: method.update(state, samplers.observe(gramian_KK)))
    for num_tasks in (2, 3, 5, 8):
        jacobians_TRKN = jacobians(num_tasks, num_steps * num_runs).unflatten(0, (num_steps, num_runs))
        weightings = [aggregation.PCDWeighting(tau=tau, beta=0.8, eps=0.1) for _ in range(num_runs)]
        states = to_dtype(
            PrimaryState(*(leaf.expand(num_runs, -1) for leaf in method.init(num_tasks, CPU))), torch.float64
        )
        for jacobians_RKN in jacobians_TRKN:
            gramians_RKK = jacobians_RKN @ jacobians_RKN.mT
            weights_RK, states = step(states, gramians_RKK)
            pairs = zip(weightings, gramians_RKK, strict=True)
            expected_RK = torch.stack([weighting(gramian_KK) for weighting, gramian_KK in pairs])
            difference_RN = ((weights_RK - expected_RK).unsqueeze(1) @ jacobians_RKN).squeeze(1)
            assert (difference_RN.norm(dim=1) < 1e-5 * jacobians_RKN[:, 0].norm(dim=1)).all()


@few
@given(st.sampled_from(["deficient", "opposed"]), st.sampled_from([3, 5, 8, 40]), seeds)
def test_primary_finds_constraints_impossible_where_torchjd_does(kind: str, num_tasks: int, seed: int) -> None:
    jacobian_KN = torch.from_numpy(samplers.gradients(kind, num_tasks, seed))
    gramian_KK = jacobian_KN @ jacobian_KN.T
    weights_K, _ = primary(tau=0.02).update(init64(primary, num_tasks), samplers.observe(gramian_KK))
    difference_N = (weights_K - aggregation.PCDWeighting(tau=0.02)(gramian_KK)) @ jacobian_KN
    assert difference_N.norm() < 1e-3 * jacobian_KN[0].norm()


@few
@given(samplers.gramians(("full_rank", "conflicting", "zero_row", "unbalanced")), st.sampled_from([0.0, 0.02, 0.5]))
def test_primary_keeps_its_promise(gramian_KK: Tensor, tau: float) -> None:
    """With all |g'| = 1: <u_t, d'> >= tau, d = |g_p| d' / |d'| and w_p = 1 / |d'|. The primary is task 0."""
    weights_K, _ = primary(tau=tau, eps=0.0).update(init64(primary, len(gramian_KK)), samplers.observe(gramian_KK))
    norms_K = gramian_KK.diagonal().sqrt()
    torch.testing.assert_close((weights_K @ gramian_KK @ weights_K).sqrt(), norms_K[0])
    moves_K = norms_K > 0.0
    cosines_K = (gramian_KK @ weights_K)[moves_K] / norms_K[moves_K] / norms_K[0]
    assert (cosines_K[1:] >= tau * weights_K[0] - 1e-4).all()


# Users' mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cosmos(-1.0), "methods.cosmos.penalty is -1.0"),
        (lambda: boundary_intersection(math.nan), "methods.boundary_intersection.theta is nan"),
        (lambda: krum(-1), "methods.krum.num_byzantine is -1"),
        (lambda: krum(num_selected=0), "methods.krum.num_selected is 0"),
        (lambda: primary(tau=1.5), "methods.primary.tau is 1.5"),
        (lambda: primary(beta=1.0), "methods.primary.beta is 1.0"),
        (lambda: primary(eps=-1.0), "methods.primary.eps is -1.0"),
        (lambda: primary(task=3).init(3, CPU), r"methods.primary.task is 3; choose a whole number in \[0, 2\]"),
        (lambda: primary(task=-1).init(3, CPU), "methods.primary.task is -1"),
        (
            lambda: constant((1.0, 2.0)).init(3, CPU),
            "methods.constant.weights has 2 numbers; give one for each of the 3 tasks",
        ),
    ],
)
def test_a_mistake_is_said_in_a_sentence(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


# Heads


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", "trunk"),
        ("cosmos", "trunk"),
        ("boundary_intersection", "trunk"),
        ("gradnorm", "trunk"),
        ("krum", "own"),
        ("primary", "own"),
    ],
)
def test_heads(name: str, expected: str) -> None:
    """Weighted losses weigh heads too; what combines gradients leaves the heads their own."""
    method, observation = METHODS[name](), observe([1.0, 2.0, 3.0])
    weights_K = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    heads_K = method.head_weights(init64(METHODS[name], 3), observation, weights_K)
    assert torch.equal(heads_K, weights_K if expected == "trunk" else torch.ones_like(weights_K))


# What every method must do


@every_method
@few
@given(samplers.gramians(), st.booleans(), seeds)
def test_finite_for_gradients_of_any_kind_and_scale(name: str, gramian_KK: Tensor, single: bool, seed: int) -> None:
    """Step after step of changing scales, and with all gradients 0."""
    num_tasks, dtype = len(gramian_KK), torch.float32 if single else torch.float64
    method, state = METHODS[name](), to_dtype(METHODS[name]().init(num_tasks, CPU), dtype)
    observations = sequence(seed, num_tasks, num_steps=3, decades=6.0, gated=True)
    for observation, scale in zip(observations, (1.0, 0.0, 1e-8), strict=True):
        observation = to_dtype(observation._replace(gramian_KK=scale * gramian_KK), dtype)
        weights_K, state = method.update(state, observation)
        assert weights_K.dtype == dtype and weights_K.isfinite().all()
        assert method.head_weights(state, observation, weights_K).isfinite().all()
