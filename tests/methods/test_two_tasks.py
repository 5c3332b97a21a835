"""Two tasks: closed forms, on random Gramians M = [[a, b], [b, d]]. Norms n_1, n_2; p = cos(g_1, g_2).

MGDA's, CAGrad's and Nash-MTL's are in test_gramian_methods.py.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch import Tensor

from mtl.methods.aligned_mtl import aligned_mtl
from mtl.methods.base import Method
from mtl.methods.conflict_free import conflict_free
from mtl.methods.dual_proj import dual_proj
from mtl.methods.fairgrad import fairgrad
from mtl.methods.gradvac import gradvac
from mtl.methods.imtl_g import imtl_g
from mtl.methods.pcgrad import pcgrad
from mtl.methods.upgrad import upgrad
from tests.methods.samplers import gramians, observe

Pair = tuple[float, float]
RIDGE = 1e-6  # of the diagonal, which UPGrad, DualProj and FairGrad add
two_tasks = gramians(("full_rank", "conflicting", "unbalanced"), sizes=(2,))
many = settings(max_examples=50, deadline=None)


def first_weights(method: Method[Any], gramian_KK: Tensor) -> Tensor:
    return method.update(method.init(2, torch.device("cpu")), observe(gramian_KK))[0]


def entries(gramian_KK: Tensor, ridge: float = 0.0) -> tuple[float, float, float]:
    (a, b), (_, d) = gramian_KK.tolist()
    return a * (1.0 + ridge), b, d * (1.0 + ridge)


def assert_weights(weights_K: Tensor, expected: Pair) -> None:
    torch.testing.assert_close(weights_K, torch.tensor(expected, dtype=torch.float64), rtol=1e-7, atol=1e-9)


def bisector(a: float, b: float, d: float) -> Pair:
    """IMTL-G: both unit gradients get the same coefficient, whatever the angle; sum w = 1."""
    n1, n2 = math.sqrt(a), math.sqrt(d)
    return n2 / (n1 + n2), n1 / (n1 + n2)


def bisector_of_mean_length(a: float, b: float, d: float) -> Pair:
    """ConFIG: c (g_1 / n_1 + g_2 / n_2), whose square is 2 c^2 (1 + p), is (n_1 + n_2) cos(u, g) long, where
    cos(u, g) = sqrt((1 + p) / 2); so c = (n_1 + n_2) / 2."""
    n1, n2 = math.sqrt(a), math.sqrt(d)
    return (n1 + n2) / (2 * n1), (n1 + n2) / (2 * n2)


def whitened_mean(a: float, b: float, d: float) -> Pair:
    """Aligned-MTL: with s = sqrt(det M) and t = sqrt(a + d + 2 s), sqrt(M) = (M + s 1) / t, as its square shows
    (Cayley and Hamilton), so M^(-1/2) = [[d + s, -b], [-b, a + s]] / (s t)."""
    s = math.sqrt(a * d - b * b)
    t = math.sqrt(a + d + 2 * s)
    # The least eigenvalue is det M over the largest, which does not cancel.
    factor = s / math.sqrt((a + d) / 2 + math.hypot((a - d) / 2, b)) / (2 * s * t)
    return factor * (d + s - b), factor * (a + s - b)


def projections(a: float, b: float, d: float) -> Pair:
    """PCGrad: if they conflict, g_1 - (b / d) g_2 and g_2 - (b / a) g_1. The order of the visits does not count."""
    return (1 - b / a, 1 - b / d) if b < 0 else (1.0, 1.0)


def mean_of_projections(a: float, b: float, d: float) -> Pair:
    """UPGrad: of two gradients, the projection onto the dual cone is the one onto the other's normal plane."""
    first, second = projections(a, b, d)
    return first / 2, second / 2


def projection_of_mean(a: float, b: float, d: float) -> Pair:
    """DualProj: the mean conflicts with one task at most, as <g_1, g_0> + <g_2, g_0> = 2 |g_0|^2; its weight grows
    until it does not."""
    return max(0.5, -b / (2 * a)), max(0.5, -b / (2 * d))


@pytest.mark.parametrize(
    ("method", "closed_form", "ridge"),
    [
        (imtl_g(), bisector, 0.0),
        (conflict_free(), bisector_of_mean_length, 0.0),
        (aligned_mtl(), whitened_mean, 0.0),
        (pcgrad(), projections, 0.0),
        (gradvac(), projections, 0.0),  # the first targets are 0
        (upgrad(), mean_of_projections, RIDGE),
        (dual_proj(), projection_of_mean, RIDGE),
    ],
    ids=["imtl_g", "conflict_free", "aligned_mtl", "pcgrad", "gradvac", "upgrad", "dual_proj"],
)
@given(two_tasks)
@many
def test_closed_form(
    method: Method[Any], closed_form: Callable[[float, float, float], Pair], ridge: float, gramian_KK: Tensor
) -> None:
    assert_weights(first_weights(method, gramian_KK), closed_form(*entries(gramian_KK, ridge)))


@given(two_tasks, st.floats(0.5, 5.0))
@many
def test_fairgrad(gramian_KK: Tensor, alpha: float) -> None:
    """The quotient of the two equations M w = w^(-1 / alpha) is one in q = w_2 / w_1,

    (b + d q) q^(1 / alpha) = a + b q,  both sides positive: if b < 0, q is between -b / d and -a / b.
    """
    a, b, d = entries(gramian_KK, RIDGE)
    power = 1.0 / alpha
    low, high = (-b / d, -a / b) if b < 0 else (1e-60, 1e60)

    def sides(q: float) -> Pair:
        return (b + d * q) * q**power, a + b * q

    def gap(log_q: float) -> float:
        left, right = sides(math.exp(log_q))
        return left - right

    q = math.exp(brentq(gap, math.log(low), math.log(high), xtol=1e-14))
    gain = sides(q)[0 if q > math.sqrt(a / d) else 1]  # of the two, the one in which less cancels
    first = gain ** (-1.0 / (1.0 + power))
    weights_K = first_weights(fairgrad(alpha), gramian_KK)
    torch.testing.assert_close(weights_K, torch.tensor([first, q * first], dtype=torch.float64), rtol=1e-7, atol=0.0)


@given(two_tasks, st.floats(-0.95, 0.95), st.floats(-0.95, 0.95))
@many
def test_gradvac_of_drawn_targets(gramian_KK: Tensor, target_12: float, target_21: float) -> None:
    """A gradient whose cosine is below its target is turned, in the plane of the two, until it is there: by the law
    of sines in the triangle of g_1, c g_2 and g_1', c = (n_1 / n_2) sin(angle - target angle) / sin(target angle)."""
    a, b, d = entries(gramian_KK)
    angle = math.acos(b / math.sqrt(a * d))

    def turn(target: float) -> float:
        return max(0.0, math.sin(angle - math.acos(target)) / math.sin(math.acos(target)))

    targets_KK = torch.tensor([[0.0, target_12], [target_21, 0.0]], dtype=torch.float64)
    weights_K, _ = gradvac().update(targets_KK, observe(gramian_KK))
    expected = 1.0 + math.sqrt(d / a) * turn(target_21), 1.0 + math.sqrt(a / d) * turn(target_12)
    torch.testing.assert_close(weights_K, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)
