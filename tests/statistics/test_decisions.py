"""Temperatures and thresholds: values worked by hand, and that no other value is better."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl import metrics
from mtl.statistics.decisions import Decisions, choose_decisions, cooled, decide, describe_decisions
from mtl.statistics.predictions import Predictions
from mtl.statistics.temperatures import HIGHEST, LOWEST, fit_temperatures, probabilities
from mtl.statistics.thresholds import choose_thresholds

Columns = tuple[list[float], list[bool]]


def column(values: list[Any], dtype: type = float) -> np.ndarray:
    return np.array(values, dtype=dtype)[:, None]


def temperature(logits: list[float], labels: list[bool], known: list[bool] | None = None) -> float:
    mask = column(known or [True] * len(labels), bool)
    return float(fit_temperatures(column(logits), column(labels, bool), mask)[0])


def threshold(said: list[float], labels: list[bool], known: list[bool] | None = None) -> float:
    mask = column(known or [True] * len(labels), bool)
    return float(choose_thresholds(column(said), column(labels, bool), mask)[0])


def test_a_temperature_by_hand() -> None:
    """All logits are +-z, and right in a share q of the cases: sigmoid(z / T) = q, so T = z / log(q / (1 - q))."""
    logits, labels = [3.0, 3.0, 3.0, 3.0, -3.0, -3.0, -3.0, -3.0], [True] * 3 + [False] * 4 + [True]
    assert temperature(logits, labels) == pytest.approx(3 / math.log(3))
    assert temperature([*logits, 9.0], [*labels, False], [True] * 8 + [False]) == pytest.approx(3 / math.log(3))
    already = [math.log(3)] * 4 + [-math.log(3)] * 4
    assert temperature(already, labels) == pytest.approx(1.0)


def test_a_temperature_at_its_bounds() -> None:
    assert temperature([1.0, -1.0], [True, False]) == pytest.approx(LOWEST)  # never wrong: the surer the better
    assert temperature([1.0, -1.0], [False, True]) == pytest.approx(HIGHEST)  # always wrong
    assert temperature([5.0, -1.0], [True, True]) == 1.0
    assert temperature([5.0, -1.0], [True, False], [True, False]) == 1.0
    assert temperature([5.0], [True], [False]) == 1.0


@given(
    st.lists(st.tuples(st.floats(-30, 30, width=32), st.booleans()), min_size=1, max_size=20),
    st.floats(LOWEST, HIGHEST),
)
@settings(max_examples=50, deadline=None)
def test_no_other_temperature_is_likelier(pairs: list[tuple[float, bool]], other: float) -> None:
    logits, labels = (list(each) for each in zip(*pairs, strict=True))

    def negative_log_likelihood(t: float) -> float:
        return float(np.logaddexp(0, np.where(labels, -1, 1) * np.array(logits) / t).mean())

    found = temperature(logits, labels)
    assert LOWEST - 1e-9 <= found <= HIGHEST + 1e-9
    if len({*labels}) == 2:
        assert negative_log_likelihood(found) <= negative_log_likelihood(other) + 1e-9


def test_probabilities_do_not_overflow() -> None:
    assert probabilities(column([-1e4, 0.0, 1e4]), np.array([0.2]))[:, 0].tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("said", "labels", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4], [False, False, True, True], 0.25),  # between the classes
        ([0.1, 0.2, 0.3, 0.4], [False, True, False, True], 0.35),  # 0.15 is as good: 1/2 + 1/4 + ..., farther from 0.5
        ([0.6, 0.7, 0.8, 0.9], [False, True, False, True], 0.65),
        ([0.2, 0.8], [True, False], 0.9),  # upside down: to say nothing at all is best; 0.1 is as near to 0.5
        ([0.3, 0.3, 0.3], [True, False, True], 0.65),  # one value: nothing is told apart
        ([0.0, 1.0], [False, True], 0.5),
        ([0.9, 0.8], [True, True], 0.5),  # a class is missing
        ([], [], 0.5),
    ],
)
def test_a_threshold_by_hand(said: list[float], labels: list[bool], expected: float) -> None:
    assert threshold(said, labels) in (pytest.approx(expected), pytest.approx(1 - expected))
    assert threshold([*said, 0.99], [*labels, False], [True] * len(said) + [False]) == threshold(said, labels)


def balanced(said: np.ndarray, labels: np.ndarray, t: float) -> float:
    return float(metrics.balanced_accuracy(metrics.count(said - t, labels, np.ones_like(labels)))[0])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_no_other_threshold_is_better(pairs: list[tuple[float, bool]], other: float) -> None:
    said, labels = column([p for p, _ in pairs]), column([there for _, there in pairs], bool)
    found = float(choose_thresholds(said, labels, np.ones_like(labels))[0])
    assert 0 <= found <= 1
    if labels.any() and not labels.all():
        assert balanced(said, labels, found) >= balanced(said, labels, other) - 1e-9
        assert balanced(said, labels, found) >= balanced(said, labels, 0.5) - 1e-9


def make_run(logits: list[list[float]], labels: list[list[bool]]) -> Predictions:
    num_images, num_tasks = np.shape(logits)
    known, ids = np.ones((num_images, num_tasks), bool), np.arange(num_images).astype(str)
    names = ("a", "b")[:num_tasks]
    return Predictions(
        np.array(logits, np.float32), np.array(labels), known, np.full(num_images, -1), known[0], names, ids
    )


def test_before_and_after_by_hand() -> None:
    """z = log 3, so p = 3/4 of which 1/2 are right; with T = 2, p = sqrt(3) / (1 + sqrt(3))."""
    run = make_run([[math.log(3)], [math.log(3)]], [[True], [False]])
    found = describe_decisions(Decisions(np.array([2.0]), np.array([0.7])), run)
    cool = math.sqrt(3) / (1 + math.sqrt(3))
    errors = found["test"]["expected_calibration_error"]
    assert errors["before"]["tasks"]["a"] == pytest.approx(0.25)
    assert errors["after"]["overall"] == pytest.approx(cool - 0.5)
    assert found["temperatures"] == {"a": 2.0} and found["thresholds"] == {"a": 0.7}
    assert cooled(run, Decisions(np.array([2.0]), np.array([0.7]))).logits_NK[0, 0] == pytest.approx(math.log(3) / 2)
    assert (decide(run, Decisions(np.array([2.0]), np.array([0.6]))).logits_NK > 0).all()
    assert (decide(run, Decisions(np.array([2.0]), np.array([0.7]))).logits_NK < 0).all()


def test_a_task_without_a_label_has_no_scores() -> None:
    run = make_run([[1.0, 1.0], [-1.0, 2.0]], [[True, True], [False, False]])
    run = run._replace(mask_NK=np.array([[True, False], [True, False]]))
    found = describe_decisions(choose_decisions(run), run)
    assert found["temperatures"]["b"] == 1.0 and found["thresholds"]["b"] == 0.5
    for scores in found["test"].values():
        assert scores["before"]["tasks"]["b"] is None and scores["after"]["overall"] == scores["after"]["tasks"]["a"]
