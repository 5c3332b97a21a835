"""Gramian methods agree with TorchJD's on 1,000 random Gramians of full rank, in float64; on fewer where it is slow.

Ours add 1e-6 to the cosines' diagonal (MGDA, CAGrad: to M's, relatively); TorchJD's settings are brought to that.
What its solvers need comes with `torchjd[full]`: cvxpy with Clarabel and ECOS, quadprog, qpsolvers.
"""

from collections.abc import Callable
from functools import partialmethod
from typing import Any

import cvxpy
import numpy as np
import pytest
import torch
from torch import Tensor
from torchjd import aggregation as theirs
from torchjd import linalg

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
from tests.methods.samplers import observe

CPU = torch.device("cpu")
SIZES = (2, 3, 5, 8)  # tasks; 250 Gramians of each
FEWER = 60  # of each, where TorchJD takes milliseconds for one


def jacobians(num_tasks: int, number: int = 250) -> Tensor:
    """[number, K, 2 K + 2] float64; a common part makes some conflict and some not."""
    generator = np.random.default_rng(num_tasks)
    common = generator.normal(scale=0.5, size=(number, 1, 2 * num_tasks + 2))
    norms = generator.uniform(0.5, 2.0, (number, num_tasks, 1))
    return torch.from_numpy(norms * (common + generator.standard_normal((number, num_tasks, 2 * num_tasks + 2))))


def our_weights(method: Method[Any], gramians_NKK: Tensor) -> Tensor:
    """The method's first weights for all Gramians at once, which `vmap` allows: nothing happens on the host."""
    state = method.init(gramians_NKK.shape[-1], CPU)
    return torch.func.vmap(lambda gramian_KK: method.update(state, observe(gramian_KK))[0])(gramians_NKK)


def assert_same_directions(weights_NK: Tensor, expected_NK: Tensor, jacobians_NKP: Tensor, tolerance: float) -> None:
    directions, expected = ((w.unsqueeze(1) @ jacobians_NKP).squeeze(1) for w in (weights_NK, expected_NK))
    lengths = expected.norm(dim=1)
    torch.testing.assert_close(
        (directions - expected).norm(dim=1) / lengths, torch.zeros_like(lengths), rtol=0.0, atol=tolerance
    )


@pytest.mark.parametrize(
    ("ours", "make_theirs", "number"),
    [
        (imtl_g(), lambda: theirs.IMTLGWeighting(), 250),
        (aligned_mtl(), lambda: theirs.AlignedMTLWeighting(), 250),
        (upgrad(), lambda: theirs.UPGradWeighting(projector=linalg.QuadprogProjector(reg_eps=1e-9)), 250),
        (dual_proj(), lambda: theirs.DualProjWeighting(projector=linalg.QuadprogProjector(reg_eps=1e-9)), 250),
        (fairgrad(2.0), lambda: theirs.FairGradWeighting(alpha=2.0), FEWER),
    ],
    ids=["imtl_g", "aligned_mtl", "upgrad", "dual_proj", "fairgrad"],
)
def test_same_direction(ours: Method[Any], make_theirs: Callable[[], Any], number: int) -> None:
    """Where Gramians have full rank. Elsewhere IMTL-G differs (pseudo-inverse of M there, of the cosines here), CAGrad
    (0 there where |g_v| < 1e-4) and FairGrad (a least-squares fit there). UPGrad and DualProj there add 1e-4 to the
    normalised M's diagonal unless told otherwise."""
    for num_tasks in SIZES:
        jacobians_NKP = jacobians(num_tasks, number)
        gramians_NKK = jacobians_NKP @ jacobians_NKP.mT
        weighting = make_theirs()
        expected_NK = torch.stack([weighting(gramian_KK) for gramian_KK in gramians_NKK])
        assert_same_directions(our_weights(ours, gramians_NKK), expected_NK, jacobians_NKP, 1e-5)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
def test_cagrad_has_the_same_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Clarabel's tolerances at 1e-13. At its defaults, TorchJD's direction is off by 1e-4."""
    tight = {f"tol_{name}": 1e-13 for name in ("gap_abs", "gap_rel", "feas", "ktratio")}
    monkeypatch.setattr(cvxpy.Problem, "solve", partialmethod(cvxpy.Problem.solve, **tight))
    test_same_direction(cagrad(0.4), lambda: theirs.CAGradWeighting(c=0.4), FEWER)


def test_conflict_free_has_the_same_direction() -> None:
    """TorchJD takes the pseudo-inverse of the unit gradients themselves: equal for any rank up to the tolerance."""
    for num_tasks in SIZES:
        jacobians_NKP = jacobians(num_tasks)
        aggregator = theirs.ConFIG()
        expected = torch.stack([aggregator(jacobian_KP) for jacobian_KP in jacobians_NKP])
        weights_NK = our_weights(conflict_free(), jacobians_NKP @ jacobians_NKP.mT)
        directions = (weights_NK.unsqueeze(1) @ jacobians_NKP).squeeze(1)
        torch.testing.assert_close(directions, expected, rtol=1e-5, atol=1e-7)


def test_mgda_is_never_longer() -> None:
    """TorchJD's Frank-Wolfe stops after 100 steps, or at a step below 1e-3: its vector is longer, by a little."""
    for num_tasks in SIZES:
        jacobians_NKP = jacobians(num_tasks, FEWER)
        gramians_NKK = jacobians_NKP @ jacobians_NKP.mT
        weighting = theirs.MGDAWeighting()
        for weights_K, gramian_KK in zip(our_weights(mgda(), gramians_NKK), gramians_NKK, strict=True):
            square, bound = (w @ gramian_KK @ w for w in (weights_K, weighting(gramian_KK)))
            scale = gramian_KK.diagonal().mean()
            assert -1e-5 * scale < bound - square < 1e-2 * scale


@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem that is not DPP")
def test_nash_mtl_has_the_same_direction() -> None:
    """TorchJD cuts |d| at 1, as the authors' code does, unless told otherwise. 40 Gramians: it is slow."""
    for num_tasks in SIZES:
        jacobians_NKP = jacobians(num_tasks, number=10)
        gramians_NKK = jacobians_NKP @ jacobians_NKP.mT
        expected = []
        for jacobian_KP in jacobians_NKP:
            weighting = theirs.NashMTL(num_tasks, max_norm=0.0).weighting
            expected.append(weighting(jacobian_KP))
        weights_NK = our_weights(nash_mtl(), gramians_NKK)
        assert_same_directions(weights_NK, torch.stack(expected), jacobians_NKP, 1e-5)


def test_pcgrad_has_the_same_weights_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for num_tasks in SIZES:
        gramians_NKK = jacobians(num_tasks) @ jacobians(num_tasks).mT
        orders_KK = random_orders(observe(gramians_NKK[0]).uniforms_K)
        orders = iter(list(orders_KK) * len(gramians_NKK))
        monkeypatch.setattr(torch, "randperm", lambda size, orders=orders: next(orders))
        expected_NK = torch.stack([theirs.PCGradWeighting()(gramian_KK) for gramian_KK in gramians_NKK])
        torch.testing.assert_close(our_weights(pcgrad(), gramians_NKK), expected_NK)


def test_gradvac_has_the_same_weights_in_the_same_order_over_ten_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the float32 of our targets, and TorchJD's 1e-8 in denominators."""
    for num_tasks in SIZES:
        gramians_NKK = jacobians(num_tasks, FEWER) @ jacobians(num_tasks, FEWER).mT
        orders_KK = random_orders(observe(gramians_NKK[0]).uniforms_K).tolist()
        # TorchJD permutes the others' list, from which task i is missing.
        places = [torch.tensor([j - (j > i) for j in order if j != i]) for i, order in enumerate(orders_KK)]
        permutations = iter(places * len(gramians_NKK))
        monkeypatch.setattr(torch, "randperm", lambda size, permutations=permutations: next(permutations))
        method = gradvac(beta=0.5)
        for sequence in gramians_NKK.split(10):
            weighting, state = theirs.GradVacWeighting(beta=0.5), method.init(num_tasks, CPU)
            for gramian_KK in sequence:
                weights_K, state = method.update(state, observe(gramian_KK))
                torch.testing.assert_close(weights_K, weighting(gramian_KK), rtol=1e-5, atol=1e-5)


def test_cr_mogm_has_the_same_weights_over_ten_steps() -> None:
    """TorchJD's initial weights too are the first ones. Ours are kept in float32."""
    gramians_NKK = jacobians(5, number=10) @ jacobians(5, number=10).mT
    method, weighting = cr_mogm(imtl_g), theirs.CRMOGMWeighting(theirs.IMTLGWeighting())
    state = method.init(5, CPU)
    for gramian_KK in gramians_NKK:
        weights_K, state = method.update(state, observe(gramian_KK))
        torch.testing.assert_close(weights_K, weighting(gramian_KK), rtol=1e-5, atol=1e-6)
