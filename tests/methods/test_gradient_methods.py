"""Methods that look at the gradients themselves: values by hand, the papers in NumPy, TorchJD.

K tasks; N coordinates; T steps.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torchjd import aggregation as theirs

from mtl.errors import UserError
from mtl.methods.base import Observation, first_state
from mtl.methods.db_mtl import db_mtl
from mtl.methods.excess_mtl import excess_mtl
from mtl.methods.graddrop import graddrop
from mtl.methods.moco import moco
from mtl.methods.shared import simplex
from mtl.methods.shared.uniforms import coordinate_uniforms
from mtl.methods.trimmed_mean import trimmed_mean
from tests.methods.properties import Make, observe, to_dtype
from tests.methods.samplers import KINDS, gradients

Step = tuple[Observation, Tensor]

CPU = torch.device("cpu")
NUM_COORDINATES = 11  # more than there are tasks: `select` goes by size
METHODS: dict[str, Make] = {
    "graddrop": graddrop,
    "graddrop_leaking": lambda: graddrop(leak=0.3),
    "trimmed_mean": trimmed_mean,
    "moco": moco,
    "moco_regularized": lambda: moco(beta_decay=0.0, gamma_decay=0.0, rho=0.5),
    "db_mtl": db_mtl,
    "db_mtl_decaying": lambda: db_mtl(beta_decay=0.5),
    "excess_mtl": lambda: excess_mtl(step_size=0.5),
}
every_method = pytest.mark.parametrize("name", METHODS)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=6, deadline=None, derandomize=True)
many = settings(max_examples=50, deadline=None, derandomize=True)


def matrix(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def random_steps(seed: int, num_tasks: int, num_steps: int = 5, gated: bool = False) -> list[Step]:
    """Random losses and gradients with a common part; rows of closed tasks are 0, uniforms are float32's."""
    generator = np.random.default_rng(seed)
    steps = []
    for _ in range(num_steps):
        open_K = generator.random(num_tasks) < (0.6 if gated else 1.1)
        open_K[generator.integers(num_tasks)] = True
        common_N = 0.5 * generator.standard_normal(NUM_COORDINATES)
        gradients_KN = (common_N + generator.standard_normal((num_tasks, NUM_COORDINATES))) * open_K[:, None]
        observation = observe(
            generator.uniform(0.1, 2.0, num_tasks),
            open_K=torch.from_numpy(open_K),
            uniforms_K=torch.from_numpy(generator.random(num_tasks, dtype=np.float32)),
        )
        steps.append((observation, torch.from_numpy(gradients_KN)))
    return steps


def init64(make: Make, num_tasks: int, num_coordinates: int = NUM_COORDINATES) -> Any:
    return to_dtype(first_state(make(), num_tasks, CPU, num_coordinates), torch.float64)


def direction(weights_K: Tensor, gradients_KN: Tensor, observation: Observation) -> Tensor:
    return weights_K[observation.open_K] @ gradients_KN[observation.open_K]


def run(make: Make, state: Any, steps: list[Step]) -> tuple[list[Tensor], list[Tensor], Any]:
    """The directions and weights of each step, and the last state."""
    directions_TN, weights_TK, method = [], [], make()
    for observation, gradients_KN in steps:
        observation = observation._replace(gradients_KN=gradients_KN)
        weights_K, state = method.update(state, observation)
        directions_TN.append(direction(weights_K, method.gradients(state, observation), observation))
        weights_TK.append(weights_K)
    return directions_TN, weights_TK, state


def first(make: Make, gradients_KN: Tensor, **fields: Any) -> tuple[Tensor, Tensor]:
    """The first step's weights and direction."""
    observation = observe(fields.pop("losses", [1.0] * len(gradients_KN)), **fields)
    directions_TN, weights_TK, _ = run(make, init64(make, *gradients_KN.shape), [(observation, gradients_KN)])
    return weights_TK[0], directions_TN[0]


# The simplex


def nearest_of_the_simplex(values_K: np.ndarray) -> np.ndarray:
    """Bisection for the theta at which sum max(v - theta, 0) is 1: independent of any sorting."""
    low, high = values_K.max() - 1.0, values_K.max()
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if np.maximum(values_K - middle, 0.0).sum() > 1.0 else (low, middle)
    return np.maximum(values_K - low, 0.0)


@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=40), seeds)
@many
def test_projection_onto_the_simplex_of_the_open_tasks(values: list[float], seed: int) -> None:
    values_K, ((gate, _),) = torch.tensor(values, dtype=torch.float64), random_steps(seed, len(values), 1, gated=True)
    open_K = gate.open_K
    weights_K = simplex.project(values_K, open_K)
    assert (weights_K[~open_K] == 0).all()
    expected = nearest_of_the_simplex(values_K[open_K].numpy())
    np.testing.assert_allclose(weights_K[open_K].numpy(), expected, rtol=0.0, atol=1e-12)


def test_projection_by_hand() -> None:
    """Theta is 0.1; 1, where the largest stands alone; of two ties at 1e17, whose sum must stay 1."""
    everything = torch.ones(3, dtype=torch.bool)
    for values, expected in [
        ([0.6, 0.7, -2.0], [0.45, 0.55, 0.0]),
        ([2.0, 0.5, 0.9], [1.0, 0.0, 0.0]),
        ([1e17, 1e17, -1e17], [0.5, 0.5, 0.0]),
    ]:
        weights_K = simplex.project(torch.tensor(values, dtype=torch.float64), everything)
        torch.testing.assert_close(weights_K, torch.tensor(expected, dtype=torch.float64))


# Uniforms of the coordinates


def mix(word: int) -> int:
    word = ((word ^ (word >> 16)) * 0x21F0AAAD) % 2**32
    word = ((word ^ (word >> 15)) * 0x735A2D97) % 2**32
    return word ^ (word >> 15)


def test_uniforms_in_integers_of_any_size() -> None:
    """Tensors equal Python's integers; and no product of the mixer comes to 2^63."""
    uniforms_K, open_K = torch.tensor([0.25, 0.7, 0.9]), torch.tensor([True, False, True])
    digits = [int(float(u) * 2**32) for u in uniforms_K[open_K]]
    a, b = (sum(map(mix, words)) % 2**32 for words in (digits, [2**32 - 1 - word for word in digits]))
    expected_N = torch.tensor([(2 * (mix(b ^ mix(a ^ n)) >> 9) + 1) / 2**24 for n in range(1000)], dtype=torch.float32)
    assert torch.equal(coordinate_uniforms(uniforms_K, open_K, 1000), expected_N)
    assert (2**32 - 1) * max(0x21F0AAAD, 0x735A2D97) < 2**63


def test_uniforms_do_not_depend_on_order_type_or_closed_tasks() -> None:
    uniforms_K, open_K = torch.rand(5, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 0, 1, 1, 0]).bool()
    expected_N = coordinate_uniforms(uniforms_K, open_K, 64)
    assert torch.equal(coordinate_uniforms(uniforms_K.flip(0), open_K.flip(0), 64), expected_N)
    assert torch.equal(coordinate_uniforms(uniforms_K[open_K], open_K[open_K], 64), expected_N)
    assert torch.equal(coordinate_uniforms(uniforms_K.double(), open_K, 64), expected_N)
    assert torch.equal(coordinate_uniforms(uniforms_K, open_K, 32), expected_N[:32])
    assert not torch.equal(coordinate_uniforms(uniforms_K, ~open_K, 64), expected_N)


def test_uniforms_look_uniform_and_independent() -> None:
    """Within five standard errors: mean, variance, correlations of neighbours and of steps; and in 16 x 16 cells."""
    number, ones_K = 200_000, torch.ones(3, dtype=torch.bool)
    near = [torch.tensor([0.5, u, 0.125]) for u in (0.25, 0.25 + 2.0**-24)]  # two steps that differ in the last digit
    streams = [coordinate_uniforms(uniforms_K, ones_K, number).double() for uniforms_K in near]
    error = 5.0 / math.sqrt(number)
    for u_N in streams:
        assert 0.0 < u_N.min() < 1e-4 and 1.0 - 1e-4 < u_N.max() < 1.0
        assert abs(u_N.mean() - 0.5) < error * math.sqrt(1 / 12)
        assert abs(u_N.var() - 1 / 12) < error * math.sqrt(1 / 180)
    first_N, second_N = streams
    for left_N, right_N in [(first_N, second_N), (first_N[1:], first_N[:-1]), (first_N[7:], first_N[:-7])]:
        assert abs(torch.corrcoef(torch.stack([left_N, right_N]))[0, 1]) < error
        cells = (16 * left_N).long() * 16 + (16 * right_N).long()
        counts, expected = torch.bincount(cells, minlength=256).double(), len(left_N) / 256
        assert ((counts - expected) ** 2 / expected).sum() < 330.5  # the 99.9 % point at 255 degrees of freedom


def test_uniforms_of_a_coordinate_look_uniform_over_the_steps() -> None:
    """And independent of another coordinate's: of 40,000 steps with two tasks, in 16 x 16 cells."""
    uniforms_TK = torch.rand(40_000, 2, generator=torch.Generator().manual_seed(0))
    both_open_K = torch.ones(2, dtype=torch.bool)
    drawn_TN = torch.func.vmap(lambda uniforms_K: coordinate_uniforms(uniforms_K, both_open_K, 3))(uniforms_TK)
    for left, right in [(0, 1), (0, 2), (1, 2)]:
        cells_T = (16 * drawn_TN[:, left]).long() * 16 + (16 * drawn_TN[:, right]).long()
        counts, expected = torch.bincount(cells_T, minlength=256).double(), len(uniforms_TK) / 256
        assert ((counts - expected) ** 2 / expected).sum() < 330.5


# Worked by hand


def test_graddrop_picks_a_sign_in_proportion_to_its_gradients() -> None:
    """1, 2 and -1 at every coordinate: P = (1 + 2 / 4) / 2 = 3/4 of them keep 1 + 2, the others -1."""
    number = 40_000
    rows_KN = matrix([1.0], [2.0], [-1.0]).expand(3, number)
    _, direction_N = first(graddrop, rows_KN)
    assert set(direction_N.tolist()) == {3.0, -1.0}
    assert abs((direction_N == 3.0).double().mean() - 0.75) < 5 * math.sqrt(0.75 * 0.25 / number)
    _, leaking_N = first(lambda: graddrop(leak=0.25), rows_KN)
    torch.testing.assert_close(leaking_N, torch.where(direction_N == 3.0, 3.0 - 0.25, -1.0 + 0.25 * 3.0).double())


def test_graddrop_keeps_what_agrees() -> None:
    """One sign among all tasks, or a task alone: nothing is dropped, whatever is drawn."""
    rows_KN = torch.linspace(-2.0, 3.0, 5000, dtype=torch.float64).expand(3, -1) * matrix([1.0], [0.5], [2.0])
    for drawn, _ in random_steps(0, 3, num_steps=3):
        torch.testing.assert_close(first(graddrop, rows_KN, uniforms_K=drawn.uniforms_K)[1], rows_KN.sum(0))
    torch.testing.assert_close(first(graddrop, rows_KN[:1])[1], rows_KN[0], rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("num_trimmed", "column", "expected"),
    [
        (1, [10.0, 1.0, 3.0], 3.0),
        (1, [10.0, 1.0], 5.5),  # nothing can be trimmed
        (1, [7.0], 7.0),
        (1, [-9.0, 2.0, 100.0, 4.0, 4.0], 10 / 3),
        (0, [10.0, 1.0, 4.0], 5.0),
        (2, [-9.0, 2.0, 100.0, 4.0, 7.0], 4.0),  # the median
        (1, [-9.0, 2.0, 100.0, 4.0], 3.0),
    ],
)
def test_trimmed_mean(num_trimmed: int, column: list[float], expected: float) -> None:
    _, direction_N = first(lambda: trimmed_mean(num_trimmed), matrix(column).T)
    assert direction_N.tolist() == pytest.approx([expected])


def test_trimmed_mean_trims_every_coordinate_for_itself() -> None:
    rows_KN = matrix([1.0, 9.0, -5.0], [2.0, 8.0, 0.0], [3.0, 7.0, 5.0])
    assert first(trimmed_mean, rows_KN)[1].tolist() == [2.0, 8.0, 0.0]
    closed = {"open_K": torch.tensor([False, True, True])}
    assert first(trimmed_mean, rows_KN * matrix([0.0], [1.0], [1.0]), **closed)[1].tolist() == [2.5, 7.5, 2.5]


def test_trimmed_mean_refuses_a_negative_number() -> None:
    with pytest.raises(UserError, match=r"trimmed_mean.num_trimmed is -1; choose a whole number in \[0, inf\)"):
        trimmed_mean(-1)


def test_moco() -> None:
    """Y = G; Y Y^T lambda = (4, 1) / 2; lambda - 0.1 (2, 0.5) = (0.3, 0.45), and each takes half of what lacks to 1."""
    weights_K, direction_N = first(lambda: moco(beta=1.0), matrix([2.0, 0.0], [0.0, 1.0]))
    assert weights_K.tolist() == pytest.approx([0.425, 0.575])
    assert direction_N.tolist() == pytest.approx([0.85, 0.575])


def test_db_mtl() -> None:
    """g / L is (3, 4), of length 5, and (0, 2). After a second such step the averages are 0.1 + 0.09 of them."""
    rows_KN, losses, make = matrix([3.0, 4.0], [0.0, 1.0]), [1.0, 0.5], lambda: db_mtl(beta=0.0)
    weights_K, direction_N = first(make, rows_KN, losses=losses)
    assert weights_K.tolist() == pytest.approx([1.0, 2.5])
    assert direction_N.tolist() == pytest.approx([3.0, 9.0])
    observation = observe(losses)
    directions_TN, _, _ = run(db_mtl, init64(db_mtl, 2, 2), 2 * [(observation, rows_KN)])
    torch.testing.assert_close(directions_TN[1], 0.19 * direction_N)
    assert db_mtl().head_weights((), observation, weights_K).tolist() == [1.0, 2.0]
    closed = observe(losses, open_K=torch.tensor([True, False]))
    assert db_mtl().head_weights((), closed, weights_K).tolist() == [1.0, 0.0]


def test_excess_mtl() -> None:
    """e / e(first) is 1 / sqrt(2) for a gradient that stays 1, and 4 / sqrt(5) for one that goes from 1 to 2."""
    make = lambda: excess_mtl(step_size=2.0)  # noqa: E731
    observation = observe([1.0, 1.0])
    steps = [(observation, matrix([1.0], [1.0])), (observation, matrix([1.0], [2.0]))]
    _, weights_TK, _ = run(make, init64(make, 2, 1), steps)
    assert weights_TK[0].tolist() == pytest.approx([0.5, 0.5])
    odds = math.exp(2.0 * (4 / math.sqrt(5) - 1 / math.sqrt(2)))
    assert weights_TK[1].tolist() == pytest.approx([1 / (1 + odds), odds / (1 + odds)], rel=1e-6)


def test_heads() -> None:
    """ExcessMTL weighs losses, DB-MTL their logarithms; the others combine gradients and leave the heads alone."""
    observation, weights_K = observe([0.5, 2.0]), matrix([0.2, 0.8])[0]
    expected = {"excess_mtl": [0.2, 0.8], "db_mtl": [2.0, 0.5], "db_mtl_decaying": [2.0, 0.5]}
    for name, make in METHODS.items():
        assert make().head_weights((), observation, weights_K).tolist() == expected.get(name, [1.0, 1.0])
    at_features = {name for name, make in METHODS.items() if make().at_features}
    assert at_features == {"graddrop", "graddrop_leaking", "trimmed_mean"}


# Against TorchJD, where it has the method


@pytest.mark.parametrize("leak", [0.0, 0.3])
def test_graddrop_agrees_with_torchjd(leak: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(50):
        ((observation, gradients_KN),) = random_steps(seed, num_tasks=1 + seed % 6, num_steps=1)
        uniforms_N = coordinate_uniforms(observation.uniforms_K, observation.open_K, NUM_COORDINATES)
        monkeypatch.setattr(torch, "rand", lambda *_, drawn=uniforms_N, **__: drawn.double())
        expected_N = theirs.GradDrop(leak=torch.full((len(gradients_KN),), leak))(gradients_KN)
        monkeypatch.undo()
        direction_N = first(partial(graddrop, leak), gradients_KN, uniforms_K=observation.uniforms_K)[1]
        torch.testing.assert_close(direction_N, expected_N, rtol=1e-5, atol=1e-6)


def test_trimmed_mean_agrees_with_torchjd() -> None:
    for num_tasks, num_trimmed in [(1, 0), (3, 1), (5, 1), (5, 2), (8, 3)]:
        for _, gradients_KN in random_steps(num_tasks, num_tasks, num_steps=20):
            expected_N = theirs.TrimmedMean(num_trimmed)(gradients_KN)
            actual_N = first(lambda number=num_trimmed: trimmed_mean(number), gradients_KN)[1]
            torch.testing.assert_close(actual_N, expected_N)


def test_excess_mtl_agrees_with_torchjd() -> None:
    """Over 30 steps. With a warm-up of one step, TorchJD's first e are the first step's, as in the authors' code."""
    for num_tasks in (2, 5, 8):
        make, weighting = lambda: excess_mtl(step_size=0.3), theirs.ExcessMTLWeighting(0.3, n_warmup_steps=1)
        steps = random_steps(num_tasks, num_tasks, num_steps=30)
        _, weights_TK, _ = run(make, init64(make, num_tasks), steps)
        for weights_K, (_, gradients_KN) in zip(weights_TK, steps, strict=True):
            torch.testing.assert_close(weights_K, weighting(gradients_KN), rtol=1e-5, atol=1e-7)
        assert weights_TK[-1].std() > 0.01


# The papers' formulas in NumPy, with gates


@given(seeds, st.integers(1, 6))
@few
def test_moco_follows_the_paper(seed: int, num_tasks: int) -> None:
    beta, gamma, rho = 0.7, 0.05, 0.2
    make = lambda: moco(beta, 0.5, gamma, 0.25, rho)  # noqa: E731
    steps = random_steps(seed, num_tasks, num_steps=8, gated=True)
    directions_TN, weights_TK, _ = run(make, init64(make, num_tasks), steps)
    y_KN, weights_K = np.zeros((num_tasks, NUM_COORDINATES)), np.full(num_tasks, 1 / num_tasks)
    counts_K = np.zeros(num_tasks)
    for k, (observation, gradients_KN) in enumerate(steps, start=1):
        on = observation.open_K.numpy()
        counts_K[on] += 1
        y_KN[on] -= (beta / counts_K[on] ** 0.5)[:, None] * (y_KN[on] - gradients_KN.numpy()[on])
        inside = nearest_of_the_simplex(weights_K[on])
        slope = y_KN[on] @ (y_KN[on].T @ inside) + rho * inside
        weights_K[on] = nearest_of_the_simplex(inside - gamma / k**0.25 * slope)
        np.testing.assert_allclose(weights_TK[k - 1].numpy()[on], weights_K[on], atol=1e-7)
        np.testing.assert_allclose(directions_TN[k - 1].numpy(), weights_K[on] @ y_KN[on], atol=1e-6)


@given(seeds, st.integers(1, 6))
@few
def test_db_mtl_follows_the_paper(seed: int, num_tasks: int) -> None:
    make = lambda: db_mtl(0.8, 0.25)  # noqa: E731
    steps = random_steps(seed, num_tasks, num_steps=8, gated=True)
    directions_TN, _, _ = run(make, init64(make, num_tasks), steps)
    average_KN, counts_K = np.zeros((num_tasks, NUM_COORDINATES)), np.zeros(num_tasks)
    for direction_N, (observation, gradients_KN) in zip(directions_TN, steps, strict=True):
        on = observation.open_K.numpy()
        counts_K[on] += 1
        beta_K = (0.8 / counts_K[on] ** 0.25)[:, None]
        logarithmic = gradients_KN.numpy()[on] / observation.losses_K.numpy()[on, None]
        average_KN[on] = beta_K * average_KN[on] + (1 - beta_K) * logarithmic
        norms_K = np.sqrt((average_KN[on] ** 2).sum(1))
        expected_N = norms_K.max() * (average_KN[on] / norms_K[:, None]).sum(0)
        np.testing.assert_allclose(direction_N.numpy(), expected_N, rtol=1e-9, atol=1e-9)


def test_excess_mtl_open_tasks_share_what_they_had() -> None:
    """While a task is closed its weight stays, so all weights sum to 1 in every step."""
    make = METHODS["excess_mtl"]
    method, state = make(), init64(make, 5)
    state = state._replace(log_weights_K=torch.full((5,), 0.2, dtype=torch.float64).log())
    for observation, gradients_KN in random_steps(3, 5, num_steps=10, gated=True):
        _, state = method.update(state, observation._replace(gradients_KN=gradients_KN))
        torch.testing.assert_close(state.log_weights_K.exp().sum(), torch.ones((), dtype=torch.float64))


# What every such method must do


@every_method
@few
@given(
    st.sampled_from(KINDS), st.sampled_from([1, 2, 3, 8, 40]), st.floats(-6, 6), st.floats(-6, 6), st.booleans(), seeds
)
def test_finite_and_zero_at_shut_gates(
    name: str, kind: str, num_tasks: int, exponent: float, other_exponent: float, gated: bool, seed: int
) -> None:
    """In float32, for gradients and losses over twelve orders of magnitude that change from step to step."""
    method, state = METHODS[name](), None
    for step, (observation, _) in enumerate(random_steps(seed, num_tasks, num_steps=3, gated=gated)):
        scale = 10.0 ** (exponent, other_exponent, 0.0)[step]
        rows_KN = torch.from_numpy(scale * gradients(kind, num_tasks, seed)).float() * observation.open_K[:, None]
        observation = to_dtype(observation._replace(losses_K=observation.losses_K / scale), torch.float32)
        observation = observation._replace(gradients_KN=rows_KN)
        state = first_state(method, num_tasks, CPU, rows_KN.shape[1]) if state is None else state
        weights_K, state = method.update(state, observation)
        returned_KN = method.gradients(state, observation)
        assert weights_K.shape == (num_tasks,) and weights_K.dtype == torch.float32
        assert returned_KN.shape == rows_KN.shape and returned_KN.dtype == torch.float32
        assert all(torch.isfinite(leaf).all() for leaf in (weights_K, returned_KN, *tree_leaves(state)))
        assert (weights_K[~observation.open_K] == 0).all()
        assert torch.isfinite(method.head_weights(state, observation, weights_K)).all()


@every_method
def test_all_gradients_zero(name: str) -> None:
    weights_K, direction_N = first(METHODS[name], torch.zeros(3, 4, dtype=torch.float64))
    assert torch.isfinite(weights_K).all() and (direction_N == 0).all()


@every_method
@few
@given(st.floats(1e-6, 1e6))
def test_one_task_keeps_its_gradient(name: str, scale: float) -> None:
    """With weight 1. MoCo and DB-MTL average from 0: a constant gradient c gets 0.5 and 0.1 of it, DB-MTL's over L."""
    gradient_1N = scale * matrix([1.0, -2.0, 3.0])
    share = {"moco": 0.5, "moco_regularized": 0.5, "db_mtl": 0.1 / 4.0, "db_mtl_decaying": 0.1 / 4.0}.get(name, 1.0)
    weights_K, direction_N = first(METHODS[name], gradient_1N, losses=[4.0])
    assert weights_K.tolist() == pytest.approx([1.0])
    torch.testing.assert_close(direction_N, share * gradient_1N[0])
