"""Scores: values by hand, merging, and average precision against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtl import metrics

LOGITS = np.array([[2.0, -1.0], [1.0, -2.0], [-1.0, -3.0], [-2.0, 0.5], [3.0, 9.0]])
LABELS = np.array([[1, 0], [0, 0], [0, 0], [1, 0], [1, 1]])
MASK = np.array([[1, 1], [1, 1], [1, 1], [1, 1], [1, 0]])


def test_by_hand() -> None:
    scores = metrics.evaluate(("a", "b"), LOGITS, LABELS, MASK, np.array([True, False]))
    a, b = scores["tasks"]["a"], scores["tasks"]["b"]
    assert (a["accuracy"], a["majority_accuracy"], a["positives"], a["count"]) == (3 / 5, 3 / 5, 3, 5)
    assert a["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert a["f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    # From the highest logit: hit, hit, miss, miss, hit.
    assert a["average_precision"] == pytest.approx((1 / 1 + 2 / 2 + 3 / 5) / 3)
    # b has no labelled positive: its balanced accuracy is the recall of the other class, its AP is undefined.
    assert (b["accuracy"], b["balanced_accuracy"], b["f1"], b["average_precision"]) == (3 / 4, 3 / 4, 0.0, None)
    assert scores["overall_accuracy"] == pytest.approx((3 / 5 + 3 / 4) / 2)
    assert scores["exact_match"] == pytest.approx(3 / 5)


def test_a_task_without_labels_is_none() -> None:
    scores = metrics.evaluate(("a",), LOGITS[:, :1], LABELS[:, :1], np.zeros((5, 1)), np.array([False]))["tasks"]["a"]
    assert scores["accuracy"] is scores["balanced_accuracy"] is scores["average_precision"] is None
    assert scores["count"] == 0


def test_counts_merge() -> None:
    whole = metrics.count(LOGITS, LABELS, MASK)
    parts = metrics.merge(
        metrics.count(LOGITS[:2], LABELS[:2], MASK[:2]), metrics.count(LOGITS[2:], LABELS[2:], MASK[2:])
    )
    for a, b in zip(whole, parts, strict=True):
        assert np.array_equal(a, b)


@given(arrays(np.int64, 12, elements=st.integers(-3, 3)), arrays(bool, 12).filter(lambda labels: bool(labels.any())))
def test_average_precision_is_its_definition(logits: np.ndarray, labels: np.ndarray) -> None:
    """Over thresholds from the highest logit down: sum of (recall gained) x precision."""
    expected, recall_before = 0.0, 0.0
    for threshold in sorted(set(logits.tolist()), reverse=True):
        said = logits >= threshold
        recall = (said & labels).sum() / labels.sum()
        expected += (recall - recall_before) * (said & labels).sum() / said.sum()
        recall_before = recall
    assert metrics.average_precision(logits.astype(float), labels) == pytest.approx(expected)
