"""Statistics of tasks of several kinds: resamples are the scores of resampled images, and binary ones are as ever."""

from typing import Any

import numpy as np
import pytest

from mtl import metrics
from mtl.metrics.scores import names_of
from mtl.statistics.bootstrap import clusters, multiplicities, resample, scores_of
from mtl.statistics.comparison import Rules, compare, delta_m
from mtl.statistics.decisions import choose_decisions, cooled, decide, describe_decisions
from mtl.statistics.predictions import Predictions, only
from mtl.statistics.score_table import score_table
from mtl.statistics.summary import describe
from mtl.statistics.temperatures import HIGHEST, LOWEST, fit_temperature, softmax
from tests.test_metrics_of_kinds import KINDS, TASKS, draw

GUESS = np.array([1.0, 2.0, 0.25])
IDS, IDENTITY = np.array([f"{number}.jpg" for number in range(40)]), np.arange(40) // 2


def make_run(noise: float = 0.0) -> Predictions:
    outputs, labels, mask = draw()
    outputs = outputs + noise * np.random.default_rng(1).normal(size=outputs.shape)
    return Predictions(outputs, labels, mask, IDENTITY, GUESS, TASKS, IDS, KINDS)


def take(run: Predictions, rows: np.ndarray) -> dict[str, Any]:
    arrays = run.logits_NK[rows], run.labels_NK[rows], run.mask_NK[rows]
    return metrics.evaluate(TASKS, *arrays, GUESS, KINDS)["tasks"]


def test_a_resample_has_the_scores_of_its_images() -> None:
    run, cluster_N = make_run(), clusters(IDENTITY)
    multiplicity_RC = multiplicities(20, num_resamples=3, seed=0)
    draws = scores_of(resample(run, cluster_N, multiplicity_RC))
    assert set(draws) == {"accuracy", "balanced_accuracy", "macro_f1", "mae", "rmse", "r2", "score"}
    for row, multiplicity_C in enumerate(multiplicity_RC):
        scores = take(run, np.repeat(np.arange(40), multiplicity_C[cluster_N]))
        for name, values_RK in draws.items():
            has = names_of(KINDS)[name]
            expected = [scores[TASKS[k]][name] for k in has]
            assert values_RK[row, has] == pytest.approx(expected), name
            assert np.isnan(np.delete(values_RK[row], has)).all()


def test_binary_tasks_beside_others_are_resampled_as_alone() -> None:
    run, alone = make_run(), only(make_run(), "binary")
    assert alone.kinds == () and alone.labels_NK.dtype == bool and alone.logits_NK.shape == (40, 1)
    given = clusters(IDENTITY), multiplicities(20, num_resamples=5, seed=0)
    assert np.array_equal(resample(run, *given).accuracy_RK[:, :1], resample(alone, *given).accuracy_RK)


def test_a_smaller_error_is_a_gain() -> None:
    """Four seeds of a network without noise against one with much: every score says the same."""
    good = {seed: make_run(0.01 * seed) for seed in range(1, 5)}
    bad = {seed: make_run(3.0 + 0.01 * seed) for seed in range(1, 5)}
    compared = compare(good, bad, Rules(num_resamples=200))
    assert compared["mae"]["tasks"]["age"]["difference"] < 0 < compared["score"]["tasks"]["age"]["difference"]
    assert compared["mae"]["tasks"]["age"]["verdict"] == compared["score"]["tasks"]["age"]["verdict"] == "gain"
    assert set(compared["mae"]) == {"tasks"} and set(compared["macro_f1"]["tasks"]) == {"hair"}
    assert compared["higher"] == 3 and compared["lower"] == 0
    assert compared["delta_m"]["mean"] > 0


def test_delta_m_turns_the_sign_of_errors() -> None:
    """Vandenhende et al. 2021: accuracy 0.5 -> 0.6 is +20%, an error of 4 -> 3 is +25%."""
    a, b = np.array([[0.6, 3.0]] * 2), np.array([[0.5, 4.0]] * 2)
    assert delta_m(a, b, 0.95, np.array([False, True]))["mean"] == pytest.approx((20 + 25) / 2)


def test_the_likeliest_temperature_of_classes() -> None:
    generator = np.random.default_rng(0)
    logits, labels = 3 * generator.normal(size=(200, 4)), generator.integers(0, 4, 200)
    logits[np.arange(200), labels] += 2

    def likelihood(temperature: float) -> float:
        return float(np.log(softmax(logits, temperature)[np.arange(200), labels]).mean())

    best = fit_temperature(logits, labels)
    assert LOWEST < best < HIGHEST
    assert all(likelihood(best) >= likelihood(best * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_decisions_are_about_what_has_them() -> None:
    run = make_run()
    decisions = choose_decisions(run)
    described = describe_decisions(decisions, run)
    assert list(described["temperatures"]) == ["smile", "hair"] and list(described["thresholds"]) == ["smile"]
    assert list(described["test"]["expected_calibration_error"]["after"]["tasks"]) == ["smile", "hair"]
    assert decide(run, decisions).tasks == ("smile",)
    np.testing.assert_array_equal(cooled(run, decisions).logits_NK[:, 4], run.logits_NK[:, 4])
    alone = choose_decisions(only(run, "binary"))
    assert alone.thresholds_K[0] == decisions.thresholds_K[0]
    assert alone.temperatures_K[0] == decisions.temperatures_K[0]


def test_a_study_says_what_its_scores_are() -> None:
    found = describe({"joint": {0: make_run()}, "dst": {0: make_run(0.5)}})
    assert found["score"] == "score" and found["majority_accuracy"]["tasks"]["age"] == 0.0
    assert np.sum(found["confusion"]["joint"]["hair"]["counts"]) == make_run().mask_NK[:, 1].sum()
    assert len(found["scatter"]["dst"]["age"]["label"]) == make_run().mask_NK[:, 2].sum()
    lines = score_table(found, "mae").splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:3]] == ["age"] and "table's unit" in lines[-1]
    assert "majority" in score_table(found, "score") and "majority" not in score_table(found, "r2")
