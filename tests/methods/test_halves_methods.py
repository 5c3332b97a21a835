"""Methods that look at two independent samples: values by hand, TorchJD, autograd through the step that they foresee.

K tasks; T steps. `halves_KK` holds <g_i, g'_j>, with g on one half of the batch and g' on the other.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torchjd import aggregation as theirs

from mtl.methods.auto_lambda import auto_lambda
from mtl.methods.base import Observation
from mtl.methods.modo import modo
from mtl.methods.moml import moml
from mtl.methods.sdmgrad import sdmgrad
from tests.methods import properties
from tests.methods.properties import CPU, Make, init64, observe, run, sequence
from tests.methods.samplers import KINDS, gradients

METHODS: dict[str, Make] = {
    "modo": modo,
    "sdmgrad": sdmgrad,
    "auto_lambda": auto_lambda,
    "moml": moml,
}
every_method = pytest.mark.parametrize("name", METHODS)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=6, deadline=None, derandomize=True)


def first(make: Make, *rows: list[float], **fields: Any) -> Tensor:
    """The first step's weights."""
    halves_KK = torch.tensor(rows, dtype=torch.float64)
    observation = observe([1.0] * len(rows), halves_KK=halves_KK, **fields)
    return make().update(init64(make, len(rows)), observation)[0]


def two_samples(seed: int, num_tasks: int, num_steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each step gradients on the first half and on the second, [K, K + 3]: a common part and noise of each."""
    generator = np.random.default_rng(seed)
    shape = (num_tasks, num_tasks + 3)
    steps = []
    for _ in range(num_steps):
        mean = generator.standard_normal(shape) + 0.5 * generator.standard_normal(shape[1])
        steps.append(tuple(mean + 0.3 * generator.standard_normal(shape) for _ in range(2)))
    return steps


def observation_of(first_KN: np.ndarray, second_KN: np.ndarray, **fields: Any) -> Observation:
    return observe([1.0] * len(first_KN), halves_KK=torch.from_numpy(first_KN @ second_KN.T), **fields)


# Worked by hand


def test_modo() -> None:
    """(1/2, 1/2) - 0.1 ((4 + 1) / 2 + 0.05, (-1 + 2) / 2 + 0.05) = (0.245, 0.445); each takes 0.155 to sum to 1."""
    assert first(modo, [4.0, 1.0], [-1.0, 2.0]).tolist() == pytest.approx([0.4, 0.6])


def test_modo_keeps_its_weights_from_step_to_step() -> None:
    """With equal gradients nothing but rho moves (0.4, 0.6): by a factor 0.99 towards the middle."""
    state, observation = torch.tensor([0.4, 0.6], dtype=torch.float64), observe([1.0, 1.0], halves_KK=torch.ones(2, 2))
    weights_K, kept_K = modo().update(state, observation)
    assert weights_K.tolist() == pytest.approx([0.401, 0.599]) == kept_K.tolist()


def test_auto_lambda() -> None:
    """Adam's first step is by the learning rate: up where a row sums to more than 0, down where it sums to less."""
    weights_K = first(lambda: auto_lambda(0.1, 0.01), [2.0, 1.0], [-3.0, 1.0])
    assert weights_K.tolist() == pytest.approx([0.11, 0.09], rel=1e-5)


def test_moml() -> None:
    """J = [[1, -1], [-1, 1]] / 4. Both columns of -J halves are along (-1, 1): a moves by 0.1 to the first task. With
    columns that point opposite ways no a is better for both, and it stays."""
    make = lambda: moml(learning_rate=0.1)  # noqa: E731
    odds = math.exp(0.2)
    assert first(make, [2.0, 1.0], [-3.0, 0.5]).tolist() == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], rel=1e-5)
    assert first(make, [2.0, -1.0], [-3.0, 0.5]).tolist() == pytest.approx([0.5, 0.5])


def test_moml_stays_where_no_direction_is_good_for_all() -> None:
    """Columns that sum to 0 are J's own, times 1/3; these, times 1.4, 0.8 and 1, sum to 0: 0 is inside their hull."""
    rows = [2.0, -1.0, -2.0], [-1.0, 3.0, -1.0], [-1.0, -2.0, 3.0]
    assert first(lambda: moml(learning_rate=0.1), *rows).tolist() == pytest.approx(3 * [1 / 3])


def test_heads() -> None:
    """Auto-Lambda and MOML weigh losses; MoDo and SDMGrad combine gradients and leave the heads alone."""
    observation, weights_K = observe([1.0, 1.0]), torch.tensor([0.2, 0.8])
    for name, make in METHODS.items():
        expected_K = weights_K if name in ("auto_lambda", "moml") else torch.ones(2)
        assert torch.equal(make().head_weights((), observation, weights_K), expected_K)
        assert make().looks_at == ("halves",)


# Against TorchJD, where it has the method


@pytest.mark.parametrize(
    ("make", "make_theirs"),
    [
        (lambda: modo(0.01, 0.1), lambda: theirs.MoDoWeighting(0.01, 0.1)),
        (modo, theirs.MoDoWeighting),
    ],
    ids=["modo", "modo_default"],
)
def test_agrees_with_torchjd(make: Make, make_theirs: Callable[[], Any]) -> None:
    """Over 30 steps."""
    for num_tasks in (1, 2, 5, 8):
        weighting = make_theirs()
        observations = [observation_of(*samples) for samples in two_samples(num_tasks, num_tasks, 30)]
        weights_TK, _ = run(make, init64(make, num_tasks), observations)
        for weights_K, observation in zip(weights_TK, observations, strict=True):
            torch.testing.assert_close(weights_K, weighting(observation.halves_KK), rtol=1e-5, atol=1e-6)


# Against autograd through the foreseen step. With losses that are linear in theta, whose gradients at theta and theta'
# are the same, the first-order form is exact.


def foreseen_losses(weights_K: Tensor, first_KN: Tensor, second_KN: Tensor, learning_rate: float) -> Tensor:
    """L'_s(theta') = <g'_s, theta'> with theta' = -eta sum_t w_t g_t."""
    return second_KN @ (-learning_rate * weights_K @ first_KN)


def test_auto_lambda_follows_adam_on_the_foreseen_losses() -> None:
    lambda_K = torch.full((4,), 0.1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([lambda_K], lr=1e-4)
    method, state = auto_lambda(), init64(auto_lambda, 4)
    for samples in two_samples(1, 4, 10):
        optimizer.zero_grad()
        foreseen_losses(lambda_K, *map(torch.from_numpy, samples), 0.01).sum().backward()
        optimizer.step()
        weights_K, state = method.update(state, observation_of(*samples))
        torch.testing.assert_close(weights_K, lambda_K.detach(), rtol=1e-6, atol=0.0)  # 0.1 is float32
    assert weights_K.std() > 1e-5


def shortest_of_the_hull(rows_KM: np.ndarray) -> np.ndarray:
    """By brute force over the faces: of the points nearest to 0 on each face's plane, the shortest inside its face."""
    candidates = []
    for size in range(1, len(rows_KM) + 1):
        for face in itertools.combinations(rows_KM, size):
            corner, edges = face[0], np.array(face) - face[0]
            shares = -np.linalg.lstsq(edges.T, corner, rcond=None)[0]
            if (shares >= -1e-12).all() and shares.sum() <= 1.0 + 1e-12:
                candidates.append(corner + shares @ edges)
    return min(candidates, key=np.linalg.norm)


def test_moml_follows_adam_on_the_shortest_of_the_foreseen_gradients() -> None:
    """The shortest vector of the unit gradients' hull; ours adds 1e-6 to their Gramian's diagonal."""
    a_K = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([a_K], lr=1e-3)
    method, state = moml(), init64(moml, 4)
    for samples in two_samples(4, 4, 10):
        losses_K = foreseen_losses(torch.softmax(a_K, 0), *map(torch.from_numpy, samples), 0.01)
        rows_KK = torch.stack([torch.autograd.grad(loss, a_K, retain_graph=True)[0] for loss in losses_K])
        a_K.grad = torch.from_numpy(shortest_of_the_hull((rows_KK / rows_KK.norm(dim=1, keepdim=True)).numpy()))
        optimizer.step()
        weights_K, state = method.update(state, observation_of(*samples))
        torch.testing.assert_close(weights_K, torch.softmax(a_K.detach(), 0), rtol=1e-5, atol=0.0)
    assert weights_K.std() > 1e-4


# What every such method must do


@every_method
@few
@given(st.sampled_from(KINDS), st.sampled_from([1, 2, 3, 8, 40]), st.floats(-6.0, 6.0), st.floats(-6.0, 6.0), seeds)
def test_finite_at_any_scale(name: str, kind: str, num_tasks: int, exponent: float, second: float, seed: int) -> None:
    """In float32, of gradients over twelve orders of magnitude that change from step to step."""
    method, weights_K = METHODS[name](), torch.zeros(0)
    state = method.init(num_tasks, CPU)
    for step, scale in enumerate([10.0**exponent, 10.0**second, 1.0]):
        halves = [scale * gradients(kind, num_tasks, seed + step) for _ in range(2)]
        halves[1] = halves[1] + 0.3 * scale * gradients("full_rank", num_tasks, seed)[:, : halves[1].shape[1]]
        observation = properties.to_dtype(observation_of(*halves), torch.float32)
        weights_K, state = method.update(state, observation)
        assert weights_K.dtype == torch.float32
        assert all(torch.isfinite(leaf).all() for leaf in (weights_K, *tree_leaves(state)))
        if name != "auto_lambda":
            assert (weights_K >= 0.0).all()
            torch.testing.assert_close(weights_K.sum(), torch.ones(()), rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("halves_KK", [torch.zeros(3, 3), -torch.eye(3)], ids=["zero", "opposed"])
@every_method
def test_gradients_that_say_nothing(name: str, halves_KK: Tensor) -> None:
    """No gradient at all, and halves that contradict each other, where SDMGrad's scale is 0."""
    method, state = METHODS[name](), METHODS[name]().init(3, CPU)
    for _ in range(3):
        weights_K, state = method.update(state, observe([1.0] * 3, halves_KK=halves_KK))
        assert torch.isfinite(weights_K).all()
        torch.testing.assert_close(weights_K, weights_K.mean().expand(3))


@every_method
@few
@given(seeds, st.integers(2, 8))
def test_closed_tasks_entries_are_not_read(name: str, seed: int, num_tasks: int) -> None:
    make, observation = METHODS[name], sequence(seed, num_tasks, num_steps=1, gated=True)[0]
    both_open_KK = observation.open_K & observation.open_K[:, None]
    unknown = observation._replace(halves_KK=observation.halves_KK.where(both_open_KK, torch.nan))
    known, hidden = (make().update(init64(make, num_tasks), each) for each in (observation, unknown))
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(known), tree_leaves(hidden), strict=True))
