"""Scores of every kind against scikit-learn, on many random tasks: the largest difference of each.

scikit-learn is no dependency: install it beside.

Command: python benchmarks/scores.py    writes artifacts/benchmarks/scores.json
"""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from absl import app, flags
from result import write_result
from sklearn import metrics as theirs

from mtl.metrics import binary, classes, regression

NUM_CASES = flags.DEFINE_integer("num_cases", 2000, "random tasks of each kind")
Pair = tuple[str, float, float]  # score, ours, theirs


def of_classes(rng: np.random.Generator, num_images: int) -> Iterator[Pair]:
    """Two to eight classes, of which some may not occur."""
    num_classes = int(rng.integers(2, 9))
    labels_N, logits_NC = rng.integers(0, num_classes, num_images), rng.normal(size=(num_images, num_classes))
    logits_NC[np.arange(num_images), labels_N] += 2 * rng.normal()
    ours, said_N = classes.evaluate(logits_NC, labels_N, guess=0), logits_NC.argmax(axis=1)
    yield "accuracy", ours["accuracy"], theirs.accuracy_score(labels_N, said_N)
    yield "balanced_accuracy", ours["balanced_accuracy"], theirs.balanced_accuracy_score(labels_N, said_N)
    yield "macro_f1", ours["macro_f1"], theirs.f1_score(labels_N, said_N, average="macro")
    confusion_CC = theirs.confusion_matrix(labels_N, said_N, labels=range(num_classes))
    yield "confusion", float(np.abs(classes.confusion(logits_NC, labels_N) - confusion_CC).max()), 0.0


def of_regression(rng: np.random.Generator, num_images: int) -> Iterator[Pair]:
    """A table's unit of three standard deviations."""
    labels_N, said_N, guess = rng.normal(size=num_images), rng.normal(size=num_images), float(rng.normal())
    ours = regression.evaluate(said_N[:, None], labels_N, guess, std=3.0)
    guess_mae = theirs.mean_absolute_error(labels_N, np.full(num_images, guess))
    yield "mae", ours["mae"], 3 * theirs.mean_absolute_error(labels_N, said_N)
    yield "rmse", ours["rmse"], 3 * theirs.root_mean_squared_error(labels_N, said_N)
    yield "r2", ours["r2"], theirs.r2_score(labels_N, said_N)
    yield "score", ours["score"], 1 - theirs.mean_absolute_error(labels_N, said_N) / guess_mae


def of_binary(rng: np.random.Generator, num_images: int) -> Iterator[Pair]:
    """With equal logits among them; both answers occur."""
    labels_N, logits_N = rng.permutation(np.arange(num_images) % 2), rng.normal(size=num_images).round(1)
    ours = binary.evaluate(logits_N[:, None], labels_N, guess=1)
    yield "average_precision", ours["average_precision"], theirs.average_precision_score(labels_N, logits_N)
    yield "f1", ours["f1"], theirs.f1_score(labels_N, logits_N > 0)


def main(_: list[str]) -> None:
    warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")  # that is among the cases
    rng, largest = np.random.default_rng(0), dict[str, float]()
    for _case in range(NUM_CASES.value):
        num_images = int(rng.integers(5, 60))
        for draw in (of_classes, of_regression, of_binary):
            for name, one, other in draw(rng, num_images):
                largest[name] = max(largest.get(name, 0.0), abs(one - other))
    write_result(
        "scores", {"num_cases": NUM_CASES.value, "largest_difference": largest}, torch.device("cpu"), ["scikit-learn"]
    )
    print(largest)


if __name__ == "__main__":
    app.run(main)
