"""DST: the worked example of dst.md, invariants of Algorithm 1, the gates and the masks."""

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtl import dst
from mtl.dst.extensions import relative_to_mean
from mtl.errors import UserError

TASKS = ("x", "y", "z")
EQUAL = dst.Weights(0.2, 0.2, 0.2, 0.2, 0.2)


def per_task(*values: float) -> dst.PerTask:
    return dict(zip(TASKS, values, strict=True))


STATIC = dst.Static(per_task(18, 18, 14), per_task(8000, 8000, 6000), EQUAL, beta=0.5)
# dst.md's table, worked out by hand there: V -> I, P_u, R, R', P_r, P for epochs 1 to 4.
WORKED = [
    (
        (0.70, 0.60, 0.65),
        {"P_u": (1, 1, 1), "P_r": (1, 1, 1), "P": (1, 1, 0.905556), "P_d": (1, 1, 0.777778), "P_c": (1, 1, 0.75)},
    ),
    (
        (0.50, 0.55, 0.60),
        {
            "I": (0.714286, 0.916667, 0.923077),
            "P_u": (0.839010, 1, 1),
            "R": (-0.340537, -0.083333, -0.076923),
            "R_global": (-0.340537, -0.083333, -0.076923),
            "P_r": (0.490200, 1, 1),
            "P": (0.865842, 1, 0.905556),
        },
    ),
    (
        (0.35, 0.52, 0.58),
        {
            "I": (0.500000, 0.866667, 0.892308),
            "P_u": (0.664018, 1, 1),
            "R": (-0.451795, -0.054545, -0.033333),
            "R_global": (-0.396166, -0.068939, -0.055128),
            "P_r": (0.437724, 1, 1),
            "P": (0.820348, 1, 0.905556),
        },
    ),
    (
        (0.30, 0.53, 0.50),
        {
            "I": (0.428571, 0.883333, 0.769231),
            "P_u": (0.617795, 1, 1),
            "R": (-0.231237, 0.019231, -0.137931),
            "R_global": (-0.313702, -0.024854, -0.096530),
            "P_r": (0.462314, 1, 1),
            "P": (0.816022, 1, 0.905556),
        },
    ),
]


def run_schedule(losses: list[dst.PerTask], static: dst.Static) -> list[dst.Account]:
    accounts, state = [], None
    for V in losses:
        state, account = dst.update(state, V, static)
        accounts.append(account)
    return accounts


def test_worked_example() -> None:
    accounts = run_schedule([per_task(*V) for V, _ in WORKED], STATIC)
    for number, (account, (_, expected)) in enumerate(zip(accounts, WORKED, strict=True), start=1):
        assert account.epoch == number
        for field, values in expected.items():
            assert getattr(account, field) == pytest.approx(per_task(*values), abs=1e-6), (number, field)
        assert account.guard == []


def test_a_single_metric_is_a_configuration() -> None:
    only_u = STATIC._replace(weights=dst.Weights(0, 0, 1, 0, 0))
    account = run_schedule([per_task(*V) for V, _ in WORKED], only_u)[-1]
    assert pytest.approx(account.P_u) == account.P


def test_guard_where_a_loss_rises_or_stands_still() -> None:
    # Epoch 2: x falls by 10%, y stands still, z rises: g = (R_x, 0, 0), mean(g) / g_x = 1/3.
    accounts = run_schedule([per_task(1.0, 1.0, 1.0), per_task(0.9, 1.0, 1.1)], STATIC)
    assert accounts[1].guard == ["y", "z"]
    assert accounts[1].P_r == pytest.approx(per_task(1 / 3, 1.0, 1.0))
    # The literal quotient would be negative for x: mean R' > 0 there.
    R = accounts[1].R_global
    assert math.fsum(R.values()) / 3 / R["x"] < 1 / 3


losses = st.lists(
    st.tuples(*[st.floats(1e-6, 1e3, allow_nan=False)] * 3).map(lambda values: per_task(*values)),
    min_size=1,
    max_size=6,
)
weights = st.tuples(*[st.floats(0.01, 1.0)] * 5).map(lambda w: dst.Weights(*(x / math.fsum(w) for x in w)))


@given(losses, weights, st.floats(0, 1))
def test_probabilities_lie_in_zero_one(V: list[dst.PerTask], lambdas: dst.Weights, beta: float) -> None:
    for account in run_schedule(V, STATIC._replace(weights=lambdas, beta=beta)):
        for field in ("P_d", "P_c", "P_u", "P_r", "P_b", "P"):
            assert all(0.0 <= p <= 1.0 for p in getattr(account, field).values()), field


@given(losses)
def test_permuting_tasks_permutes_probabilities(V: list[dst.PerTask]) -> None:
    flip = lambda values: dict(reversed(values.items()))  # noqa: E731
    static = STATIC._replace(depth=flip(STATIC.depth), num_samples=flip(STATIC.num_samples))
    for forward, backward in zip(run_schedule(V, STATIC), run_schedule([flip(v) for v in V], static), strict=True):
        assert pytest.approx(backward.P, rel=1e-9) == forward.P


@given(losses, st.floats(0.1, 10))
def test_scale_of_the_losses_does_not_matter(V: list[dst.PerTask], scale: float) -> None:
    scaled = [{task: scale * value for task, value in v.items()} for v in V]
    for a, b in zip(run_schedule(V, STATIC), run_schedule(scaled, STATIC), strict=True):
        assert a.P_u == pytest.approx(b.P_u, rel=1e-9)
        assert a.R_global == pytest.approx(b.R_global, rel=1e-6, abs=1e-9)


def test_equal_tasks_are_never_dropped_by_incompleteness() -> None:
    accounts = run_schedule([per_task(1, 1, 1), per_task(0.5, 0.5, 0.5)], STATIC)
    assert accounts[1].P_u == per_task(1, 1, 1)
    assert accounts[1].P_r == per_task(1, 1, 1)


@pytest.mark.parametrize(
    ("static", "message"),
    [
        (STATIC._replace(weights=dst.Weights(0.2, 0.2, 0.2, 0.2, 0.1)), "must sum to 1, but sum to 0.9"),
        (STATIC._replace(weights=dst.Weights(1.2, -0.2, 0, 0, 0)), "must lie in"),
        (STATIC._replace(beta=1.5), "^beta is 1.5"),
        (STATIC._replace(num_samples=per_task(1, 0, 1)), "y has no training sample"),
    ],
)
def test_refuses_what_the_algorithm_does_not_allow(static: dst.Static, message: str) -> None:
    dst.check(STATIC)
    with pytest.raises(UserError, match=message):
        dst.check(static)


@pytest.mark.parametrize(
    ("loss", "shown"), [(0.0, "0"), (-0.5, "-0.5"), (math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")]
)
def test_a_loss_by_which_it_cannot_divide_is_a_sentence(loss: float, shown: str) -> None:
    for state, epoch in [(None, 1), (dst.update(None, per_task(0.7, 0.6, 0.65), STATIC)[0], 2)]:
        with pytest.raises(UserError, match=rf"^the loss of y before epoch {epoch} is {shown}, and DST divides by"):
            dst.update(state, per_task(0.5, loss, 0.6), STATIC)


def test_all_dropped_turns_on_the_most_probable() -> None:
    gates, forced = dst.sample_gates(per_task(0.1, 0.3, 0.2), per_task(0.9, 0.9, 0.9))
    assert gates == {"x": False, "y": True, "z": False}
    assert forced == ["y"]
    assert dst.sample_gates(per_task(0.1, 1.0, 0.2), per_task(0.9, 0.9999, 0.1)) == (
        {"x": False, "y": True, "z": True},
        [],
    )


def test_mask_selects_and_stops_nan() -> None:
    gradients = {"x": {"w": torch.tensor([1.0, 2.0])}, "y": {"w": torch.tensor([math.nan, 1.0])}}
    gates = {"x": torch.tensor(True), "y": torch.tensor(False)}
    masked = dst.mask(gradients, gates)
    assert torch.equal(masked["x"]["w"], gradients["x"]["w"])
    assert torch.equal(masked["y"]["w"], torch.zeros(2))
    assert dst.mask({"x": torch.tensor(0.5), "y": torch.tensor(0.7)}, gates) == {
        "x": torch.tensor(0.5),
        "y": torch.tensor(0.0),
    }


NONE_K = torch.zeros(3)
ROWS_KN = torch.tensor([[3.0, 0.0], [0.0, 4.0], [-3.0, 4.0]])  # of three tasks' gradients


def test_agreement_is_the_cosine_with_the_sum_of_the_others() -> None:
    seen = dst.Seen(ROWS_KN @ ROWS_KN.T, NONE_K, NONE_K, NONE_K)
    # x against (-3, 8), y against (0, 4), z against (3, 4): -9 / (3 sqrt 73), 16 / 16, 7 / 25.
    expected = torch.tensor([-3.0 / math.sqrt(73.0), 1.0, 0.28])
    assert torch.allclose(dst.EXTENSIONS["agreement"].of_step(seen), expected)
    alone = dst.Seen(torch.diag(torch.tensor([4.0, 0.0, 0.0])), NONE_K, NONE_K, NONE_K)
    assert dst.EXTENSIONS["agreement"].of_step(alone).tolist() == [0.0, 0.0, 0.0]


def test_signal_is_the_cosine_of_two_halves() -> None:
    first_K, second_K, across_K = torch.tensor([[4.0, 1.0, 0.0], [9.0, 1.0, 4.0], [3.0, -1.0, 0.0]])
    seen = dst.Seen(torch.eye(3), first_K, second_K, across_K)
    assert dst.EXTENSIONS["signal"].of_step(seen).tolist() == [0.5, -1.0, 0.0]


def test_metrics_of_ours_over_two_epochs() -> None:
    """By hand: x = (0.6, 0.2, -0.1) has the mean (0.6 + 0.2 + 1e-6) / 3, below 0.6 and above 0.2."""
    static = STATIC._replace(weights=dst.Weights(0, 0, 0, 0, 0.2, {"signal": 0.8}))
    state, first = dst.update(None, per_task(1, 1, 1), static)
    assert pytest.approx(per_task(1, 1, 1)) == first.P
    assert first.ours == {"signal": {"x": None, "P": per_task(1, 1, 1)}}
    x = per_task(0.6, 0.2, -0.1)
    _, second = dst.update(state, per_task(1, 1, 1), static, {"signal": x})
    mean = (0.8 + 1e-6) / 3
    assert second.ours["signal"]["x"] == x
    assert second.ours["signal"]["P"] == pytest.approx(per_task(1, 0.2 / mean, 1e-6 / mean))
    assert pytest.approx(per_task(1, 0.2 + 0.8 * 0.2 / mean, 0.2 + 0.8 * 1e-6 / mean)) == second.P
    assert dst.Weights(**as_logged(static)) == static.weights


def as_logged(static: dst.Static) -> dict[str, Any]:
    """As dst.jsonl has them."""
    return json.loads(json.dumps(static.weights.logged()))


def test_without_metrics_of_ours_logs_are_as_they_were() -> None:
    account = run_schedule([per_task(*WORKED[0][0])], STATIC)[0]
    assert list(account.logged()) == "epoch V I P_d P_c P_u R R_global P_r P_b P guard".split()
    assert EQUAL.logged() == dict.fromkeys("dcurb", 0.2)


@given(st.tuples(*[st.floats(-1, 1) | st.none()] * 3).map(lambda values: dict(zip(TASKS, values, strict=True))))
def test_probabilities_of_ours_lie_in_zero_one(x: dict[str, float | None]) -> None:
    P = relative_to_mean(x)
    assert all(0.0 < p <= 1.0 for p in P.values())
    assert all(P[task] == 1.0 for task in TASKS if x[task] is None)
    assert max(P.values()) == 1.0 or math.isclose(max(P.values()), 1.0)
