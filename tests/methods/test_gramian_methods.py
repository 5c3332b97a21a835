"""Methods that act on the Gramian: values by hand, optimality, scales, gates, precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtl.methods.aligned_mtl import aligned_mtl
from mtl.methods.base import Method
from mtl.methods.cagrad import cagrad
from mtl.methods.conflict_free import conflict_free
from mtl.methods.cr_mogm import cr_mogm
from mtl.methods.dual_proj import dual_proj
from mtl.methods.fairgrad import fairgrad
from mtl.methods.gradvac import gradvac
from mtl.methods.imtl_g import imtl_g
from mtl.methods.mgda import mgda
from mtl.methods.nash_mtl import nash_mtl
from mtl.methods.pcgrad import pcgrad, random_orders
from mtl.methods.upgrad import upgrad
from tests.methods.samplers import KINDS, gradients, gramians, observe

CPU = torch.device("cpu")
METHODS: dict[str, Callable[[], Method[Any]]] = {
    "mgda": mgda,
    "imtl_g": imtl_g,
    "cagrad": cagrad,
    "pcgrad": pcgrad,
    "gradvac": gradvac,
    "nash_mtl": nash_mtl,
    "fairgrad": fairgrad,
    "aligned_mtl": aligned_mtl,
    "upgrad": upgrad,
    "dual_proj": dual_proj,
    "conflict_free": conflict_free,
    "cr_mogm": cr_mogm,
}
RIDGE = 1e-6  # of the diagonal, which several methods add; so optimality holds up to it
every_method = pytest.mark.parametrize("name", METHODS)
few = settings(max_examples=6, deadline=None, derandomize=True)
many = settings(max_examples=20, deadline=None, derandomize=True)


def first_weights(method: Method[Any], gramian_KK: Tensor, open_K: Tensor | None = None) -> Tensor:
    return method.update(method.init(len(gramian_KK), CPU), observe(gramian_KK, open_K))[0]


def ridged(gramian_KK: Tensor) -> Tensor:
    return gramian_KK + RIDGE * gramian_KK.diagonal().diag()


def gramian_of(*rows: tuple[float, ...]) -> Tensor:
    jacobian_KN = torch.tensor(rows, dtype=torch.float64)
    return jacobian_KN @ jacobian_KN.T


ORTHOGONAL = gramian_of((2.0, 0.0), (0.0, 1.0))
CONFLICT = gramian_of((1.0, 0.0), (-1.0, 1.0))
STRONG_CONFLICT = gramian_of((1.0, 0.0), (-3.0, 1.0))


@pytest.mark.parametrize(
    ("method", "gramian_KK", "expected"),
    [
        (mgda(), ORTHOGONAL, (1 / 5, 4 / 5)),  # proportional to 1 / |g|^2
        (mgda(), CONFLICT, (3 / 5, 2 / 5)),  # (g_2 - g_1).g_2 / |g_1 - g_2|^2 = 3 / 5
        (mgda(), gramian_of((1.0, 0.0), (2.0, 1.0)), (1.0, 0.0)),  # an end of the segment
        (imtl_g(), ORTHOGONAL, (1 / 3, 2 / 3)),  # K = 2: proportional to 1 / |g|
        (imtl_g(), gramian_of((1.0, 0.0), (1.0, 1.0)), (2**0.5 / (1 + 2**0.5), 1 / (1 + 2**0.5))),
        (cagrad(0.5), gramian_of((1.0, 0.0), (0.0, 1.0)), (0.75, 0.75)),  # by symmetry g_v = g_0: (1 + c) / 2
        (pcgrad(), ORTHOGONAL, (1.0, 1.0)),
        (pcgrad(), CONFLICT, (2.0, 1.5)),  # g_1' = g_1 + g_2 / 2, g_2' = g_2 + g_1
        (gradvac(), CONFLICT, (2.0, 1.5)),  # targets are 0: PCGrad
        (nash_mtl(), ORTHOGONAL, (0.5, 1.0)),  # 4 w = 1 / w
        (fairgrad(2.0), ORTHOGONAL, (4 ** (-2 / 3), 1.0)),  # 4 w = w^(-1/2)
        (fairgrad(1.0), gramian_of((1.0, 0.0), (0.6, 0.8)), (1.6**-0.5, 1.6**-0.5)),
        (fairgrad(2.0), gramian_of((1.0, 0.0), (0.6, 0.8)), (1.6 ** (-2 / 3), 1.6 ** (-2 / 3))),
        (aligned_mtl(), ORTHOGONAL, (0.25, 0.5)),  # both as long as the shorter, then the mean
        (upgrad(), CONFLICT, (1.0, 0.75)),  # (g_1 + g_2 / 2) / 2 + (g_2 + g_1) / 2
        (upgrad(), ORTHOGONAL, (0.5, 0.5)),
        (dual_proj(), CONFLICT, (0.5, 0.5)),  # the mean conflicts with neither
        (dual_proj(), STRONG_CONFLICT, (1.5, 0.5)),  # v_2 = 1/2, and v_1 makes <g_1, d> = v_1 - 3 v_2 = 0
        (conflict_free(), ORTHOGONAL, (0.75, 1.5)),  # u = (1, 1) / sqrt(2), d = 3 / sqrt(2) u = (1.5, 1.5)
    ],
)
def test_two_tasks_by_hand(method: Method[Any], gramian_KK: Tensor, expected: tuple[float, float]) -> None:
    weights_K = first_weights(method, gramian_KK)
    torch.testing.assert_close(weights_K, torch.tensor(expected, dtype=torch.float64), rtol=5e-6, atol=5e-6)


two_tasks = gramians(("full_rank", "conflicting", "unbalanced"), sizes=(2,))


@given(two_tasks)
@many
def test_mgda_of_two_tasks(gramian_KK: Tensor) -> None:
    """Sener and Koltun 2018, equation 4: clip((|g_2|^2 - g_1.g_2) / |g_1 - g_2|^2)."""
    (a, b), (_, d) = gramian_KK.tolist()
    first = float(np.clip((d - b) / (a + d - 2 * b), 0.0, 1.0))
    expected = torch.tensor([first, 1.0 - first], dtype=torch.float64)
    torch.testing.assert_close(first_weights(mgda(), gramian_KK), expected, rtol=1e-3, atol=1e-4)


@given(two_tasks, st.floats(0.1, 0.9))
@many
def test_cagrad_of_two_tasks(gramian_KK: Tensor, c: float) -> None:
    """With v = (x, 1 - x) and |g_v|^2 = A (x - m)^2 + h, the derivative of s x + r |g_v| is 0 where
    x - m = -s sqrt(h / A) / sqrt(r^2 A - s^2), or x is at an end. Directions are compared, relative to the radius."""
    gramian_KK = gramian_KK / gramian_KK.diagonal().mean()
    (a, b), (_, d) = ridged(gramian_KK).tolist()
    s = (a - d) / 2
    r = c * np.sqrt((a + 2 * b + d) / 4)
    A, m = a + d - 2 * b, (d - b) / (a + d - 2 * b)
    h = d - A * m**2
    x = m - s * np.sqrt(h / A) / np.sqrt(r**2 * A - s**2) if r**2 * A > s**2 else (0.0 if s > 0 else 1.0)
    x = np.clip(x, 0.0, 1.0)
    v_K = torch.tensor([x, 1 - x], dtype=torch.float64)
    expected_K = 0.5 + r * v_K / torch.sqrt(v_K @ ridged(gramian_KK) @ v_K)
    difference_K = first_weights(cagrad(c), gramian_KK) - expected_K
    assert difference_K @ gramian_KK @ difference_K < 1e-6 * r**2


@given(two_tasks)
@many
def test_nash_of_two_tasks(gramian_KK: Tensor) -> None:
    """M w = 1 / w at K = 2: w = 1 / (|g| sqrt(1 + cos)), up to the diagonal's 1e-6."""
    norms_K = gramian_KK.diagonal().sqrt()
    cosine = gramian_KK[0, 1] / norms_K.prod()
    expected_K = 1.0 / (norms_K * torch.sqrt(1.0 + RIDGE + cosine))
    torch.testing.assert_close(first_weights(nash_mtl(), gramian_KK), expected_K, rtol=1e-9, atol=0.0)


def test_gradvac_turns_a_gradient_to_its_target_and_moves_the_target() -> None:
    """Orthogonal unit gradients with the target cos = 0.6: g_1' = g_1 + (0.6 / 0.8) g_2, whose cosine is 0.6."""
    method = gradvac(beta=0.1)
    targets_KK = torch.tensor([[0.0, 0.6], [0.6, 0.0]])
    weights_K, moved_KK = method.update(targets_KK, observe(torch.eye(2, dtype=torch.float64)))
    torch.testing.assert_close(weights_K, torch.tensor([1.75, 1.75], dtype=torch.float64))
    torch.testing.assert_close(moved_KK, torch.tensor([[0.0, 0.54], [0.54, 0.0]]))


def test_gradvac_stays_finite_where_its_targets_say_parallel() -> None:
    method, num_tasks = gradvac(beta=1.0), 8
    _, targets_KK = method.update(method.init(num_tasks, CPU), observe(torch.ones(num_tasks, num_tasks)))
    assert targets_KK[0, 1] > 0.999
    jacobian_KN = torch.from_numpy(gradients("conflicting", num_tasks, seed=0)).float()
    weights_K, moved_KK = method.update(targets_KK, observe(jacobian_KN @ jacobian_KN.T))
    assert weights_K.isfinite().all() and moved_KK.isfinite().all()


def test_cr_mogm_averages_and_a_closed_task_stands_still() -> None:
    """lambda = 0.9 lambda + 0.1 lambda_hat, from the first lambda_hat; task 2 alone in the second step has MGDA's 1."""
    method = cr_mogm(alpha=0.9)
    first_K, state = method.update(method.init(2, CPU), observe(ORTHOGONAL))
    torch.testing.assert_close(first_K, torch.tensor([0.2, 0.8], dtype=torch.float64), rtol=0.0, atol=1e-5)
    second_K, state = method.update(state, observe(ORTHOGONAL, torch.tensor([False, True])))
    torch.testing.assert_close(second_K, torch.tensor([0.0, 0.82], dtype=torch.float64), rtol=0.0, atol=1e-5)
    third_K, _ = method.update(state, observe(ORTHOGONAL))
    torch.testing.assert_close(third_K, torch.tensor([0.2, 0.818], dtype=torch.float64), rtol=0.0, atol=1e-5)


@given(gramians())
@many
def test_mgda_is_the_shortest_vector_of_the_hull(gramian_KK: Tensor) -> None:
    """KKT: w in the simplex, and no task's <g_t, d> is below |d|^2."""
    weights_K = first_weights(mgda(), gramian_KK)
    assert (weights_K >= 0.0).all() and abs(weights_K.sum() - 1.0) < 1e-9
    with_direction_K = ridged(gramian_KK) @ weights_K
    assert weights_K @ with_direction_K - with_direction_K.min() < 1e-8 * gramian_KK.diagonal().mean()


@given(gramians())
@many
def test_cagrad_has_no_duality_gap(gramian_KK: Tensor) -> None:
    """min_t <g_t, d> is at least the least of the dual, so d is the best in its ball; the solver's."""
    c, num_tasks = 0.4, len(gramian_KK)
    gramian_KK = gramian_KK / gramian_KK.diagonal().mean()
    added_K = first_weights(cagrad(c), gramian_KK) - 1.0 / num_tasks
    assert (added_K >= -1e-12).all()
    matrix_KK = ridged(gramian_KK)
    mean_K = torch.full((num_tasks,), 1.0 / num_tasks, dtype=torch.float64)
    radius = c * torch.sqrt(mean_K @ matrix_KK @ mean_K)
    worst_K = added_K / added_K.sum()
    dual = worst_K @ matrix_KK @ mean_K + radius * torch.sqrt(worst_K @ matrix_KK @ worst_K)
    assert dual - (matrix_KK @ (mean_K + added_K)).min() < 5e-6 * radius
    assert torch.sqrt(added_K @ matrix_KK @ added_K) < (1 + 1e-6) * radius


@given(gramians(), st.sampled_from([0.5, 1.0, 2.0, 5.0]))
@many
def test_fairgrad_solves_its_equation(gramian_KK: Tensor, alpha: float) -> None:
    """M w = w^(-1 / alpha) in every task that has a gradient, linearly dependent or not; alpha = 1 is Nash-MTL's."""
    weights_K = first_weights(nash_mtl() if alpha == 1.0 else fairgrad(alpha), gramian_KK)
    moves_K = gramian_KK.diagonal() > 0.0
    assert (weights_K[moves_K] > 0.0).all() and (weights_K[~moves_K] == 0.0).all()
    products_K = ((ridged(gramian_KK) @ weights_K) * weights_K ** (1.0 / alpha))[moves_K]
    torch.testing.assert_close(products_K, torch.ones_like(products_K), rtol=0.0, atol=1e-5)


@given(gramians())
@many
def test_dual_proj_solves_its_quadratic_program(gramian_KK: Tensor) -> None:
    """KKT: v >= 1 / K, M v >= 0, and one of the two is an equality. In units of the longest gradient."""
    norms_K = gramian_KK.diagonal().sqrt()
    above_K = (first_weights(dual_proj(), gramian_KK) - 1.0 / len(gramian_KK)) * norms_K
    with_direction_K = ridged(gramian_KK) @ first_weights(dual_proj(), gramian_KK) / torch.clamp(norms_K, min=1e-300)
    scale = norms_K.max()
    assert (above_K >= -1e-9 * scale).all() and (with_direction_K >= -1e-9 * scale).all()
    assert (above_K * with_direction_K).abs().max() <= 1e-9 * scale**2


@given(gramians(sizes=(1, 2, 3, 5)))
@many
def test_upgrad_is_the_sum_of_the_gradients_projections(gramian_KK: Tensor) -> None:
    """By brute force over which of v >= e_i / K hold with equality; the direction is compared, which is unique."""
    num_tasks = len(gramian_KK)
    matrix = ridged(gramian_KK / gramian_KK.diagonal().max()).numpy() + 1e-15 * np.eye(num_tasks)
    expected_K = np.zeros(num_tasks)
    for i in range(num_tasks):
        lower = np.eye(num_tasks)[i] / num_tasks
        candidates = []
        for free in range(2**num_tasks):
            is_free = np.array([bool(free >> j & 1) for j in range(num_tasks)])
            v = lower.copy()
            if is_free.any():
                rest = matrix[np.ix_(is_free, ~is_free)] @ lower[~is_free]
                v[is_free] = -np.linalg.solve(matrix[np.ix_(is_free, is_free)], rest)
            if (v >= lower - 1e-12).all():
                candidates.append((v @ matrix @ v, v))
        expected_K += min(candidates, key=lambda candidate: candidate[0])[1]
    difference_K = first_weights(upgrad(), gramian_KK).numpy() - expected_K
    assert difference_K @ matrix @ difference_K < 1e-10


@pytest.mark.parametrize("name", ["mgda", "upgrad", "dual_proj", "nash_mtl", "fairgrad", "conflict_free"])
@given(data=st.data())
@few
def test_conflicts_with_no_task(name: str, data: st.DataObject) -> None:
    """M w >= 0, up to the diagonal's 1e-6; ConFIG's promise needs linearly independent gradients."""
    kinds = ("full_rank", "conflicting", "unbalanced", "near_parallel") if name == "conflict_free" else KINDS
    gramian_KK = data.draw(gramians(kinds))
    weights_K = first_weights(METHODS[name](), gramian_KK)
    slack_K = RIDGE * gramian_KK.diagonal() * weights_K.abs() + 1e-9 * (gramian_KK.abs() @ weights_K.abs())
    assert (gramian_KK @ weights_K >= -slack_K).all()


@every_method
@given(gramians(sizes=(3, 40)), st.sampled_from([1e-6, 1e-4, 1e-2]), st.integers(0, 2**32 - 1))
@few
def test_bounded_for_a_gramian_that_rounding_made_indefinite(
    name: str, gramian_KK: Tensor, error: float, seed: int
) -> None:
    """In units of the longest gradient; ConFIG, whose direction may have to be long, must only be finite."""
    norms_K = gramian_KK.diagonal().sqrt()
    noise_KK = torch.randn(gramian_KK.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gramian_KK = gramian_KK + error * torch.triu(noise_KK, 1) * norms_K * norms_K[:, None]
    lengths_K = first_weights(METHODS[name](), torch.triu(gramian_KK) + torch.triu(gramian_KK, 1).T) * norms_K
    assert lengths_K.isfinite().all()
    if name not in ("conflict_free", "nash_mtl", "fairgrad"):
        assert lengths_K.abs().max() < 1e4 * norms_K.max()


@every_method
def test_heads_keep_their_own_gradients(name: str) -> None:
    weights_K = torch.tensor([0.2, 0.8], dtype=torch.float64)
    method = METHODS[name]()
    assert (method.head_weights(method.init(2, CPU), observe(ORTHOGONAL), weights_K) == 1.0).all()


@every_method
def test_all_gradients_zero(name: str) -> None:
    assert first_weights(METHODS[name](), torch.zeros(3, 3)).isfinite().all()


def assert_same_weights(actual_K: Tensor, expected_K: Tensor) -> None:
    torch.testing.assert_close(actual_K, expected_K, rtol=1e-5, atol=1e-6 * float(expected_K.abs().max()))


@every_method
@given(gramians(), st.integers(0, 2**32 - 1))
@few
def test_permutation_equivariance(name: str, gramian_KK: Tensor, seed: int) -> None:
    """Of hard Gramians too, where the general test has random ones."""
    method, order_K = METHODS[name](), torch.from_numpy(np.random.default_rng(seed).permutation(len(gramian_KK)))
    observation = observe(gramian_KK)
    permuted = observe(gramian_KK[order_K][:, order_K], uniforms_K=observation.uniforms_K[order_K])
    state = method.init(len(gramian_KK), CPU)
    assert_same_weights(method.update(state, permuted)[0], method.update(state, observation)[0][order_K])


@every_method
@given(gramians(), st.floats(1e-6, 1e6))
@few
def test_scaling_all_gradients(name: str, gramian_KK: Tensor, scale: float) -> None:
    """The weights stay, so that the direction scales too; Nash-MTL and FairGrad say otherwise."""
    exponent = {"nash_mtl": -1.0, "fairgrad": -4.0 / 3.0}.get(name, 0.0)
    weights_K = first_weights(METHODS[name](), gramian_KK)
    assert_same_weights(first_weights(METHODS[name](), scale**2 * gramian_KK), weights_K * scale**exponent)


@every_method
@given(gramians(("full_rank", "conflicting", "unbalanced", "zero_row"), sizes=(2, 3, 8)), st.data())
@few
def test_closed_tasks_are_as_if_not_there(name: str, gramian_KK: Tensor, data: st.DataObject) -> None:
    """Three steps behind gates equal three steps of the open tasks alone, whatever the Gramian's other entries."""
    num_tasks, method = len(gramian_KK), METHODS[name]()
    open_K = torch.tensor(data.draw(st.lists(st.booleans(), min_size=num_tasks, max_size=num_tasks).filter(any)))
    observation = observe(gramian_KK.where(open_K & open_K[:, None], torch.nan), open_K)
    alone = observe(gramian_KK[open_K][:, open_K], uniforms_K=observation.uniforms_K[open_K])
    state, state_alone = method.init(num_tasks, CPU), method.init(int(open_K.sum()), CPU)
    for _ in range(3):
        weights_K, state = method.update(state, observation)
        weights_alone, state_alone = method.update(state_alone, alone)
        assert_same_weights(weights_K[open_K], weights_alone)
        assert (weights_K[~open_K] == 0.0).all()


@every_method
@given(st.floats(1e-6, 1e6))
@few
def test_one_task_keeps_its_gradient(name: str, norm: float) -> None:
    """w = 1; CAGrad adds c |g| g / |g|, Nash-MTL solves |g|^2 w = 1 / w, FairGrad |g|^2 w = w^(-1/2)."""
    expected = {"cagrad": 1.4, "nash_mtl": 1.0 / norm, "fairgrad": norm ** (-4.0 / 3.0)}.get(name, 1.0)
    weights_K = first_weights(METHODS[name](), torch.tensor([[norm**2]], dtype=torch.float64))
    torch.testing.assert_close(weights_K, torch.tensor([expected], dtype=torch.float64), rtol=2e-6, atol=0.0)


@every_method
@given(data=st.data())
@few
def test_float32_agrees_with_float64(name: str, data: st.DataObject) -> None:
    """Aligned-MTL cannot where norms are far apart: what is the least eigenvalue in float64 is rounding in float32."""
    kinds = ("full_rank",) if name == "aligned_mtl" else ("full_rank", "unbalanced")
    gramian_KK = data.draw(gramians(kinds, sizes=(1, 2, 5, 8)))
    expected_K = first_weights(METHODS[name](), gramian_KK)
    weights_K = first_weights(METHODS[name](), gramian_KK.float()).double()
    torch.testing.assert_close(weights_K, expected_K, rtol=1e-3, atol=1e-4 * float(expected_K.abs().max()))


def test_random_orders_are_even_and_independent() -> None:
    """Of three tasks, each row's order is one of 6, and no row's tells another's: 36 pairs, chi-square."""
    uniforms = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    orders = torch.func.vmap(random_orders)(uniforms)
    code = orders[..., 0] * 2 + (orders[..., 1] > orders[..., 2]).long()  # [N, 3] in 0..5
    for first, second in ((0, 1), (1, 2), (0, 2)):
        counts = torch.bincount(code[:, first] * 6 + code[:, second], minlength=36).double()
        expected = len(uniforms) / 36
        assert ((counts - expected) ** 2 / expected).sum() < 66.6  # the 99.9 % point at 35 degrees of freedom
