"""Plans: reproducible draws, the control's probabilities, the line of dst.jsonl."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl import dst, gating
from mtl.dst.controls import repeat
from mtl.errors import UserError

STATIC = dst.Static({"a": 18, "b": 14}, {"a": 10, "b": 5}, dst.Weights(0.2, 0.2, 0.2, 0.2, 0.2), 0.5)
FIELDS = "epoch V I P_d P_c P_u R R_global P_r P_b P G depth count weights beta guard".split()


def test_draws_are_a_function_of_method_seed_and_epoch() -> None:
    draw = lambda *key: gating.uniforms(*key, ("a", "b"))  # noqa: E731
    assert draw("dst", 1, 2) == draw("dst", 1, 2)
    others = [draw("random_drop", 1, 2), draw("dst", 2, 2), draw("dst", 1, 3)]
    assert all(other["a"] != draw("dst", 1, 2)["a"] for other in others)
    assert draw("dst", 1, 2)["a"] != draw("dst", 1, 2)["b"]


@pytest.mark.parametrize("method", gating.DROPPING)
def test_gates_match_their_probabilities(method: str) -> None:
    """Over 4,000 epochs of a run, each task is on as often as its P says; the draws are the ones that runs use."""
    from scipy.stats import binomtest

    P, num_epochs = {"a": 0.2, "b": 0.5, "c": 0.93, "d": 1.0}, 4000
    draws = [dst.sample_gates(P, gating.uniforms(method, 7, epoch, tuple(P)))[0] for epoch in range(num_epochs)]
    for task, probability in P.items():
        num_on = sum(draw[task] for draw in draws)
        assert binomtest(num_on, num_epochs, probability).pvalue > 0.001, (task, num_on)


def test_line_has_every_field() -> None:
    state, plan = gating.plan_epoch(gating.Dropping("dst", STATIC, 0), None, {"a": 0.7, "b": 0.6})
    assert set(FIELDS) <= set(plan.line)
    assert plan.line["weights"] == {"d": 0.2, "c": 0.2, "u": 0.2, "r": 0.2, "b": 0.2}
    drawn, _ = dst.sample_gates(plan.line["P"], gating.uniforms("dst", 0, 1, ("a", "b")))
    assert (plan.gates, plan.line["G"]) == ([drawn], drawn)
    assert json.loads(json.dumps(plan.line)) == plan.line
    assert state.epoch == 1


def test_gates_per_step_are_drawn_for_each() -> None:
    uneven = STATIC._replace(weights=dst.Weights(1.0, 0.0, 0.0, 0.0, 0.0))
    _, plan = gating.plan_epoch(gating.Dropping("dst", uneven, 3, num_steps=200), None, {"a": 0.7, "b": 0.6})
    assert len(plan.gates) == 200 and all(gates["a"] for gates in plan.gates)
    assert plan.line["G"]["b"] == pytest.approx(plan.line["P"]["b"], abs=0.1)
    assert plan.gates[7] == dst.sample_gates(plan.line["P"], gating.uniforms("dst", 3, 1, ("a", "b"), 7))[0]


def test_a_forced_task_is_named() -> None:
    weights = dst.Weights(0, 0, 1, 0, 0)
    never = STATIC._replace(weights=weights)
    plan = gating.plan_epoch(
        gating.Dropping("random_drop", never, 0, [{"a": 0.0, "b": 0.0}]), None, {"a": 0.7, "b": 0.6}
    )[1]
    assert sum(plan.line["G"].values()) == 1
    assert plan.line["forced"] == [task for task, gate in plan.line["G"].items() if gate] == plan.line["guard"]


def test_control_repeats_the_mean_of_the_dst_run(tmp_path: Path) -> None:
    gates = {"epoch": 1, "V": {}, "G": {"a": 1, "b": 1}}
    lines = [{"P": {"a": 1.0, "b": 0.5}} | gates, {"P": {"a": 0.2, "b": 0.4}} | gates]
    (tmp_path / "dst.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    control = gating.read_control("random_drop", tmp_path, 2, seed=0)
    assert [list(P.values()) for P in control] == [pytest.approx([0.75, 0.75]), pytest.approx([0.3, 0.3])]
    dropping = gating.Dropping("random_drop", STATIC, 0, control)
    state, first = gating.plan_epoch(dropping, None, {"a": 0.7, "b": 0.6})
    _, second = gating.plan_epoch(dropping, state, {"a": 0.5, "b": 0.6})
    assert (first.line["P"], second.line["P"]) == (control[0], control[1])
    with pytest.raises(UserError, match="has 2 of 3 epochs"):
        gating.read_control("random_drop", tmp_path, 3, seed=0)
    with pytest.raises(UserError, match="train nowhere before random_drop"):
        gating.read_control("random_drop", tmp_path / "nowhere" / "seed_0", 1, seed=0)


def test_nothing_is_dropped_in_epochs_that_are_kept() -> None:
    uneven = STATIC._replace(weights=dst.Weights(1.0, 0.0, 0.0, 0.0, 0.0))
    dropping, state, lines = gating.Dropping("dst", uneven, 0, kept_from=3), None, []
    for _ in range(4):
        state, plan = gating.plan_epoch(dropping, state, {"a": 0.7, "b": 0.6})
        lines.append(plan.line)
    assert [line["P"]["b"] for line in lines] == [14 / 18, 14 / 18, 1.0, 1.0]
    assert ["kept" in line for line in lines] == [False, False, True, True]
    assert lines[2]["P_d"] == {"a": 1.0, "b": 14 / 18} and lines[3]["G"] == {"a": True, "b": True}


@pytest.mark.parametrize("metric", [*dst.EXTENSIONS])
def test_a_metric_of_ours_alone(metric: str) -> None:
    weights = gating.single_metric(f"dst_{metric}", STATIC.weights)
    assert weights == dst.Weights(0.0, 0.0, 0.0, 0.0, 0.2, {metric: 0.8})


def run_of(num_epochs: int, tasks: str = "abcde") -> list[dict[str, Any]]:
    """Lines of a run that drops, some tasks often and some in a row."""
    generator = np.random.default_rng(3)
    P = generator.uniform(0.2, 1.0, (num_epochs, len(tasks)))
    G = (generator.random(P.shape) < P).astype(float)
    return [
        {name: dict(zip(tasks, x.tolist(), strict=True)) for name, x in (("P", p), ("G", g))}
        for p, g in zip(P, G, strict=True)
    ]


def test_a_permuted_control_has_the_same_gates_of_other_tasks() -> None:
    """Every task's sequence stays, so persistence and inequality do; no task keeps its own."""
    lines = run_of(12)
    control = repeat("permuted_drop", lines, np.random.default_rng(0))
    before, after = (
        {task: tuple(gates[task] for gates in of) for task in "abcde"}
        for of in ([line["G"] for line in lines], control)
    )
    assert sorted(before.values()) == sorted(after.values())
    assert all(before[task] != after[task] for task in before)
    state, schedule = (
        None,
        gating.Dropping(
            "permuted_drop", dst.Static(*[dict.fromkeys("abcde", 1.0)] * 2, STATIC.weights, 0.5), 0, control
        ),
    )
    for epoch in range(12):
        state, plan = gating.plan_epoch(schedule, state, dict.fromkeys("abcde", 0.7 - 0.01 * epoch))
        assert plan.line["G"] == control[epoch] and not plan.line["forced"]


def test_static_and_uniform_controls_keep_the_dose() -> None:
    lines = run_of(12)
    dose = np.mean([list(line["P"].values()) for line in lines])
    static, uniform = (repeat(scheme, lines, np.random.default_rng(0)) for scheme in ("static_drop", "uniform_drop"))
    assert all(static[0] == P for P in static) and all(uniform[0] == P for P in uniform)
    assert static[0]["c"] == pytest.approx(np.mean([line["P"]["c"] for line in lines]))
    assert np.mean([*static[0].values()]) == pytest.approx(dose)
    assert [*uniform[0].values()] == pytest.approx([dose] * 5)


def test_gates_drawn_per_step_cannot_be_permuted(tmp_path: Path) -> None:
    (tmp_path / "dst.jsonl").write_text(json.dumps({"epoch": 1, "V": {}, "P": {"a": 0.5}, "G": {"a": 0.25}}))
    with pytest.raises(UserError, match="drew them per step"):
        gating.read_control("permuted_drop", tmp_path, 1, seed=0)


def test_a_seed_for_gates_gives_each_name_its_own() -> None:
    def draw(gates_seed: int, name: str, seed: int = 1) -> dst.PerTask:
        return gating.uniforms("dst", seed, 2, ("a", "b"), None, gating.own_key(gates_seed, name))

    assert draw(-1, "dst") == draw(-1, "beta_10") == gating.uniforms("dst", 1, 2, ("a", "b")), "as it always was"
    drawn = [draw(0, "dst"), draw(0, "beta_10"), draw(1, "dst"), draw(0, "dst", seed=2), draw(-1, "dst")]
    assert len({of["a"] for of in drawn}) == len(drawn)
