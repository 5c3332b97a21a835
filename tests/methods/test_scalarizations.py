"""Weighted losses without a state: fixed weights, COSMOS, boundary intersection; by hand and against TorchJD."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torchjd import scalarization

from mtl.methods.boundary_intersection import boundary_intersection
from mtl.methods.constant import constant
from mtl.methods.cosmos import cosmos
from tests.methods.properties import (
    Make,
    first_weights,
    init64,
    observe,
    to_dtype,
)


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


@pytest.mark.parametrize("make", [constant, cosmos, boundary_intersection])
def test_heads_are_weighted_like_the_trunk(make: Make) -> None:
    weights_K = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    heads_K = make().head_weights(init64(make, 3), observe([1.0, 2.0, 3.0]), weights_K)
    assert torch.equal(heads_K, weights_K)
