"""Priority-constrained descent: directions by hand, its promise, and TorchJD's."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchjd import aggregation

from mtl.methods.primary import PrimaryState, primary
from tests.methods import samplers
from tests.methods.properties import CPU, first_weights_of, init64, observe, to_dtype

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None, derandomize=True)


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


@pytest.mark.parametrize("tau", [0.0, 0.02, 0.5])
def test_primary_agrees_with_torchjd(tau: float) -> None:
    """Directions on 1,020 Gramians: for each tau and number of tasks, 17 runs of five steps, with a short memory."""
    num_runs, num_steps = 17, 5
    method = primary(tau=tau, beta=0.8, eps=0.1)
    step = torch.func.vmap(lambda state, gramian_KK: method.update(state, samplers.observe(gramian_KK)))
    for num_tasks in (2, 3, 5, 8):
        jacobians_TRKN = samplers.jacobians(num_tasks, num_steps * num_runs).unflatten(0, (num_steps, num_runs))
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


def test_heads() -> None:
    """What combines gradients leaves the heads their own."""
    weights_K = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    heads_K = primary().head_weights(init64(primary, 3), observe([1.0, 2.0, 3.0]), weights_K)
    assert torch.equal(heads_K, torch.ones_like(weights_K))
