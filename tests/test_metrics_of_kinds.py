"""Scores of classes and numbers against their definitions, written out."""

import numpy as np
import pytest

from mtl import metrics
from mtl.kinds import BINARY, Kind, columns
from mtl.metrics import classes, regression

KINDS = (BINARY, Kind("classes", ("a", "b", "c")), Kind("regression", mean=40.0, std=10.0))
TASKS = ("smile", "hair", "age")


def draw(num_images: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs [N, 5], labels [N, 3] and their mask."""
    generator = np.random.default_rng(0)
    labels = np.stack(
        [
            generator.integers(0, 2, num_images),
            generator.integers(0, 3, num_images),
            generator.normal(size=num_images).round(1),
        ],
        axis=1,
    )
    outputs = generator.normal(size=(num_images, 5))
    outputs[np.arange(num_images), 1 + labels[:, 1].astype(int)] += 1
    outputs[:, 0] += 2 * labels[:, 0] - 1
    outputs[:, 4] = labels[:, 2] + 0.5 * outputs[:, 4]
    return outputs, labels, generator.random(labels.shape) < 0.8


def test_classes_by_definition() -> None:
    outputs, labels, mask = draw()
    known = mask[:, 1]
    said, truth = outputs[known, 1:4].argmax(axis=1).tolist(), labels[known, 1].astype(int).tolist()
    pairs = list(zip(said, truth, strict=True))
    recalls, f1s = [], []
    for each in range(3):
        right = sum(s == t == each for s, t in pairs)
        recalls.append(right / truth.count(each))
        f1s.append(2 * right / (truth.count(each) + said.count(each)))
    scores = metrics.evaluate(TASKS, outputs, labels, mask, np.array([1.0, 2.0, 0.25]), KINDS)["tasks"]["hair"]
    assert scores["accuracy"] == pytest.approx(sum(s == t for s, t in pairs) / len(pairs))
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert scores["macro_f1"] == pytest.approx(np.mean(f1s))
    assert scores["majority_accuracy"] == pytest.approx(truth.count(2) / len(truth))
    counts = classes.confusion(outputs[known, 1:4], labels[known, 1])
    assert all(counts[t, s] == pairs.count((s, t)) for s in range(3) for t in range(3))


def test_regression_by_definition_in_the_tables_unit() -> None:
    outputs, labels, mask = draw()
    known, guess = mask[:, 2], 0.25
    said, truth = 40 + 10 * outputs[known, 4], 40 + 10 * labels[known, 2]
    scores = metrics.evaluate(TASKS, outputs, labels, mask, np.array([1.0, 2.0, guess]), KINDS)["tasks"]["age"]
    of_median = np.abs(40 + 10 * guess - truth).mean()
    assert scores["mae"] == pytest.approx(np.abs(said - truth).mean())
    assert scores["rmse"] == pytest.approx(np.sqrt(((said - truth) ** 2).mean()))
    assert scores["r2"] == pytest.approx(1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
    assert scores["median_mae"] == pytest.approx(of_median)
    assert scores["score"] == pytest.approx(1 - np.abs(said - truth).mean() / of_median)


def test_the_overall_score_is_the_mean_over_tasks() -> None:
    scores = metrics.evaluate(TASKS, *draw(), np.array([1.0, 2.0, 0.25]), KINDS)
    of_tasks = [scores["tasks"][task]["score"] for task in TASKS]
    assert metrics.overall(scores) == pytest.approx(np.mean(of_tasks))
    assert of_tasks[:2] == [scores["tasks"][task]["accuracy"] for task in TASKS[:2]]
    assert scores["overall_accuracy"] == pytest.approx(np.mean(of_tasks[:2]))


def test_labels_of_nobody_are_no_scores() -> None:
    outputs, labels, mask = draw()
    scores = metrics.evaluate(TASKS, outputs, labels, np.zeros_like(mask), np.zeros(3), KINDS)
    assert scores["overall_score"] is scores["tasks"]["age"]["mae"] is scores["tasks"]["hair"]["macro_f1"] is None
    same = regression.Sums(*(term.sum() for term in regression.terms(np.array([1.0, 2.0]), np.array([0.3, 0.3]), 0.3)))
    assert np.isnan(regression.r2(same)) and np.isnan(regression.skill(same))


def test_columns_lie_side_by_side() -> None:
    assert [of.stop - of.start for of in columns(KINDS)] == [1, 3, 1]
