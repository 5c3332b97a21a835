"""Gradient descent on two quadratics whose Pareto front is known: which methods end on it, and why they should.

  f_i(x) = 1/2 (x - c_i)^T A_i (x - c_i) + 1/2 in R^4, the eigenvalues of A_i from 1 to 2

Both are strictly convex, so the front is where t g_1 + (1 - t) g_2 = 0 for a t in [0, 1]: a curve from c_2 to c_1,

  x(t) = (t A_1 + (1 - t) A_2)^-1 (t A_1 c_1 + (1 - t) A_2 c_2).

Shapes: K = 2 tasks; N = 4 coordinates; S starts, side by side; T steps; P points of the front.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.methods import METHODS
from mtl.methods.base import AnyMethod, Method, Observation, first_state
from mtl.methods.equal import equal
from mtl.methods.mgda import mgda
from tests.methods.properties import CPU, to_dtype

CURVATURES_KNN = torch.tensor(
    [
        [[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.5, 0.0], [0.0, 0.0, 0.0, 1.0]],
        [[1.5, 0.5, 0.0, 0.0], [0.5, 1.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 2.0]],
    ],
    dtype=torch.float64,
)
MINIMA_KN = torch.tensor([[1.0, 0.0, 1.0, 0.0], [-1.0, 1.0, 0.0, 1.0]], dtype=torch.float64)
SMOOTHNESS = 2.0  # the largest eigenvalue
NUM_STARTS = 5
TOLERANCE = 1e-2  # the front is 2.7 long; starts are 2.1 to 4.7 away from it
NUM_STEPS = 30
NUM_STEPS_OF_AVERAGES = {"db_mtl": 300, "moco": 300}  # gradients of many steps are in them

# Why each of these ends on the front.
PROMISED = {
    # |d| would be 0 there. Where rounding hides lambda_min, the rank is 1 and d jumps; 20 steps later descent is back.
    "aligned_mtl": "|d| is sqrt(lambda_min / 2): descent slows down where the gradients come to be on one line",
    "auxinash": "as Nash-MTL",
    "cagrad": "theorem of the paper for c < 1: the mean's minimum",
    "coefficient_of_variation": "positive weights, which settle as statistics of more and more steps do",
    "conflict_free": "the angle's bisector descends for both, unless they are opposite",
    "constant": "the mean's minimum",
    "cr_mogm": "theorem of the paper, around MGDA",
    "db_mtl": "where it rests, the averages are the gradients, and their unit vectors sum to 0",
    "dual_proj": "<g_0, d> = |d|^2, so the mean falls until d = 0, with weights of at least 1/2",
    "dynamic_task_prioritization": "positive weights, which settle with the losses",
    "dynamic_weight_average": "the ratios of epochs' losses tend to 1: the sum's minimum",
    "equal": "the sum's minimum",
    "excess_mtl": "weights on the simplex, which settle as the gradients vanish beside the sum of the past ones",
    "fairgrad": "theorem of the paper, for steps that shrink as w grows",
    "famo": "positive weights, which settle with the losses",
    "geometric": "a minimum of an increasing function of the losses",
    "go4align": "positive weights, which hardly drift",
    "gradient_norm_scaling": "positive weights, which settle with the lengths",
    "gradnorm": "positive weights, which settle where the lengths are in proportion",
    "group_dro": "weights on the simplex, which move little",
    "imgrad": "c < 1: <g_0, d> >= (1 - c) |g_0|^2, so the mean's minimum",
    "impartial": "IMTL-G's direction",
    "impartial_losses": "the scales rest at 1 / L: as scale_invariant",
    "improvable_gap": "positive weights, which settle with the losses",
    "imtl_g": "the angle's bisector, as ConFIG",
    "ldc": "theorem of the paper; two tasks' weights are positive",
    "log_losses": "MGDA's direction for log losses: descends for both, or is 0 where nothing does",
    "loss_balanced": "the minimum of an increasing function of the losses, in each epoch another",
    "mgda": "theorem of Désidéri's: d descends for both, or is 0 where nothing does",
    "moco": "theorem of the paper: weights on the simplex, and Y tracks the gradients",
    "modo": "theorem of the paper: weights on the simplex, which move little",
    "moml": "positive weights, which move little",
    "nash_mtl": "theorem of the paper, for steps in proportion to 1 / max w",
    "pcgrad": "theorem of the paper for two tasks: the sum's minimum, or where cos = -1, which is on the front",
    "primary": "tau > 0: both losses fall as long as both can",
    "scale_invariant": "a minimum of an increasing function of the losses",
    "sdmgrad": "theorem of the paper: weights on the simplex, which settle",
    "smooth_tchebycheff": "the minimum of an increasing function of the losses; steps that mu = 1 allows",
    "soft_uncertainty": "w is the gradient of an increasing function of the losses, up to a factor",
    "trimmed_mean": "of two tasks nothing is trimmed: the mean's minimum",
    "uncertainty": "the scales rest at 1 / (2 L): as scale_invariant",
    "upgrad": "theorem of the paper, for smooth convex losses",
}
NOT_PROMISED = {
    "auto_lambda": "no theorem, and weights may become negative",
    "boundary_intersection": "weights may be negative; not smooth where losses are equal, so descent jumps to and fro",
    "cosmos": "weights may be negative, where a loss is to rise",
    "graddrop": "d = 0 for certain only where all gradients are 0",
    "gradvac": "no theorem: the direction depends on targets that come from the steps before",
    "krum": "of two tasks, the first is chosen always",
    "sam_gs": "of gradients of alike lengths it rests where g_1 |m_1| = -g_2 |m_2|, coordinate by coordinate",
    "random_weighting": "never rests: every step has another minimum",
}


class Descent(NamedTuple):
    """`points_SN`: where it ends. `losses_TSK`: of the points before each step."""

    points_SN: Tensor
    losses_TSK: Tensor


def losses_and_gradients(points_SN: Tensor) -> tuple[Tensor, Tensor]:
    """([S, K], [S, K, N]) of the two quadratics."""
    away_SKN = points_SN[:, None] - MINIMA_KN
    gradients_SKN = torch.einsum("knm,skm->skn", CURVATURES_KNN, away_SKN)
    return 0.5 * (away_SKN * gradients_SKN).sum(-1) + 0.5, gradients_SKN


def front() -> Tensor:
    """[P, N], 1e-4 apart or less."""
    t_P11 = torch.linspace(0.0, 1.0, 30_001, dtype=torch.float64)[:, None, None]
    matrix_PNN = t_P11 * CURVATURES_KNN[0] + (1.0 - t_P11) * CURVATURES_KNN[1]
    pulls_KN1 = CURVATURES_KNN @ MINIMA_KN[:, :, None]
    return torch.linalg.solve(matrix_PNN, t_P11 * pulls_KN1[0] + (1.0 - t_P11) * pulls_KN1[1])[..., 0]


FRONT_PN = front()


def distances_to_front(points_SN: Tensor) -> Tensor:
    return torch.cdist(points_SN, FRONT_PN).amin(dim=1)


def shortest_combinations(points_SN: Tensor) -> Tensor:
    """min over t in [0, 1] of |t g_1 + (1 - t) g_2|, [S]."""
    first_SN, second_SN = losses_and_gradients(points_SN)[1].unbind(1)
    between_SN = second_SN - first_SN
    t_S = ((second_SN * between_SN).sum(1) / between_SN.square().sum(1)).clamp(0.0, 1.0)
    return (second_SN - t_S[:, None] * between_SN).norm(dim=1)


def descend(method: AnyMethod, num_steps: int = NUM_STEPS, normalized: bool = True) -> Descent:
    """From S starts, x <- x - d / (SMOOTHNESS sum |w|): the weighted loss, whose smoothness this is, falls.

    Args:
      normalized: otherwise sum |w| counts as 1.
    """
    generator = torch.Generator().manual_seed(0)
    points_SN = 2.0 * torch.randn(NUM_STARTS, 4, generator=generator, dtype=torch.float64)
    first = to_dtype(first_state(method, 2, CPU, 4), torch.float64)
    state = tree_map(lambda leaf: leaf.expand(NUM_STARTS, *leaf.shape), first)
    all_losses = []
    for step in range(num_steps):
        losses_SK, rows_SKN = losses_and_gradients(points_SN)
        gramians_SKK = rows_SKN @ rows_SKN.mT
        observations = Observation(
            losses_K=losses_SK,
            gramian_KK=gramians_SKK,
            halves_KK=gramians_SKK,  # without noise, both halves have the batch's gradients
            gradients_KN=rows_SKN,
            open_K=torch.ones(NUM_STARTS, 2, dtype=torch.bool),
            uniforms_K=torch.rand(NUM_STARTS, 2, generator=generator, dtype=torch.float64),
            learning_rate=torch.full((NUM_STARTS,), 0.03, dtype=torch.float64),
            epoch_step=torch.full((NUM_STARTS,), step % 10),
        )
        weights_SK, state = torch.func.vmap(method.update)(state, observations)
        if "gradients" in method.looks_at:
            rows_SKN = torch.func.vmap(method.gradients)(state, observations)
        directions_SN = (weights_SK[..., None] * rows_SKN).sum(1)
        if normalized:  # weights may all be 0: IMTL-G's are, where gradients are opposite
            directions_SN = directions_SN / weights_SK.abs().sum(1, keepdim=True).clamp(min=1e-9)
        points_SN = points_SN - directions_SN / SMOOTHNESS
        all_losses.append(losses_SK)
    return Descent(points_SN, torch.stack(all_losses))


def make(name: str) -> AnyMethod:
    options = {"smooth_tchebycheff": {"mu": 1.0}}.get(name, {})
    factory = METHODS.get(name, equal)
    return factory(**options)


@cache
def descend_by(name: str) -> Descent:
    return descend(make(name), NUM_STEPS_OF_AVERAGES.get(name, NUM_STEPS))


def is_on_front(points_SN: Tensor) -> bool:
    """Near the front, and nearly Pareto stationary, from every start."""
    is_near = bool((distances_to_front(points_SN) < TOLERANCE).all())
    return is_near and bool((shortest_combinations(points_SN) < SMOOTHNESS * TOLERANCE).all())


@pytest.mark.parametrize("name", sorted({"equal", *METHODS} - NOT_PROMISED.keys()))
def test_ends_on_the_front(name: str) -> None:
    """A method that is in neither list has to, too."""
    assert is_on_front(descend_by(name).points_SN), PROMISED.get(name)


def test_both_lists_name_methods_once() -> None:
    assert PROMISED.keys() | NOT_PROMISED.keys() <= {"equal", *METHODS}
    assert not PROMISED.keys() & NOT_PROMISED.keys()


def alternating() -> Method[Tensor]:
    """One task after the other."""

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        return torch.stack([state, 1.0 - state]), 1.0 - state

    return Method(lambda num_tasks, device: torch.ones((), device=device), update)


def negated(method: Method[Any]) -> Method[Any]:
    def update(state: Any, observation: Observation) -> tuple[Tensor, Any]:
        weights_K, state = method.update(state, observation)
        return -weights_K, state

    return Method(method.init, update)


@pytest.mark.parametrize(
    "method",
    [negated(equal()), negated(mgda()), alternating(), make("random_weighting"), make("graddrop")],
    ids=["equal_negated", "mgda_negated", "alternating", "random_weighting", "graddrop"],
)
def test_what_does_not_promise_it_does_not_end_there(method: AnyMethod) -> None:
    points_SN = descend(method).points_SN
    assert not is_on_front(points_SN) and distances_to_front(points_SN).max() > 5.0 * TOLERANCE


@pytest.mark.parametrize("name", ["conflict_free", "fairgrad", "imtl_g", "mgda", "nash_mtl"])
def test_no_loss_rises_in_any_step(name: str) -> None:
    """A step changes f_i by at most -s (<g_i, d> - |d|^2 / (2 sum w)), s its size. That is no increase, as for both i

    MGDA: sum w = 1 and <g_i, d> >= |d|^2.  Nash-MTL: <g_i, d> = 1 / w_i and |d|^2 = 2.
    FairGrad: <g_i, d> = w_i^(-1/2) and |d|^2 = w_1^(1/2) + w_2^(1/2).
    IMTL-G, whose direction ConFIG shares: <g_i, d> = n_i b and |d|^2 = 2 b n_1 n_2 / (n_1 + n_2), with sum w = 1.
    All up to the 1e-6 that some add to the cosines' diagonal, which shows next to the front.
    """
    losses_TSK = descend_by(name).losses_TSK
    assert (losses_TSK.diff(dim=0) < 1e-6).all()


def test_with_equal_weights_some_loss_rises() -> None:
    assert (descend_by("equal").losses_TSK.diff(dim=0) > 0.01).any()


def mean(losses_PK: Tensor) -> Tensor:
    return losses_PK.mean(1)


@pytest.mark.parametrize(
    ("name", "normalized", "objective"),
    [
        ("equal", True, mean),
        ("constant", True, mean),
        ("cagrad", False, mean),  # the theorem's step, on d itself
        ("geometric", True, lambda losses_PK: losses_PK.log().mean(1)),
        ("scale_invariant", True, lambda losses_PK: losses_PK.log().mean(1)),
        ("smooth_tchebycheff", True, lambda losses_PK: torch.logsumexp(losses_PK / 2.0, dim=1)),
    ],
)
def test_ends_where_its_objective_is_least(name: str, normalized: bool, objective: Callable[[Tensor], Tensor]) -> None:
    """No point of the front nearby has a lower value."""
    descent = descend_by(name) if normalized else descend(make(name), normalized=False)
    front_P = objective(losses_and_gradients(FRONT_PN)[0])
    values_S = objective(losses_and_gradients(descent.points_SN)[0])
    near_SP = torch.cdist(descent.points_SN, FRONT_PN) < 0.3
    assert near_SP.any(dim=1).all()
    assert (values_S < torch.where(near_SP, front_P, torch.inf).amin(dim=1) + 1e-4).all()
