"""From logits to decisions: temperatures and thresholds from the validation split, and what they do on the test."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl import metrics
from mtl.kinds import columns, num_outputs
from mtl.statistics.calibration import calibrate
from mtl.statistics.predictions import Predictions, kinds_of, only
from mtl.statistics.temperatures import fit_temperature, fit_temperatures, probabilities
from mtl.statistics.thresholds import choose_thresholds


class Decisions(NamedTuple):
    """A binary task says "present" where  sigmoid(z / T) > t; of classes, softmax(z / T) are the probabilities.

    Attributes:
      temperatures_K: T; NaN of a regression, which has none.
      thresholds_K: t; NaN of all that is not binary.
    """

    temperatures_K: np.ndarray
    thresholds_K: np.ndarray


def choose_decisions(valid: Predictions) -> Decisions:
    """Temperatures by the likelihood, then thresholds on the calibrated probabilities by balanced accuracy.

    Args:
      valid: predictions of the validation split.

    Example:
      >>> logits, there = np.array([[2.0], [2.0], [2.0], [-2.0]]), np.array([[True], [True], [False], [False]])
      >>> ids, who, yes = np.array(["1", "2", "3", "4"]), np.full(4, -1), np.array([True])
      >>> run = Predictions(logits, there, np.ones((4, 1), bool), who, yes, ("smile",), ids)
      >>> [values.round(4).tolist() for values in choose_decisions(run)]
      [[1.8205], [0.5]]
    """
    binary = only(valid, "binary")
    of_binary_K = fit_temperatures(binary.logits_NK, binary.labels_NK, binary.mask_NK)
    said_NK = probabilities(binary.logits_NK, of_binary_K)
    thresholds_K = choose_thresholds(said_NK, binary.labels_NK, binary.mask_NK)
    if not valid.kinds:
        return Decisions(of_binary_K, thresholds_K)
    temperatures = dict(zip(binary.tasks, of_binary_K, strict=True)) | _of_classes(only(valid, "classes"))
    thresholds = dict(zip(binary.tasks, thresholds_K, strict=True))
    return Decisions(*(np.array([of.get(task, np.nan) for task in valid.tasks]) for of in (temperatures, thresholds)))


def _of_classes(run: Predictions) -> dict[str, float]:
    """Task -> temperature."""
    of_tasks = zip(run.tasks, columns(run.kinds), run.labels_NK.T, run.mask_NK.T, strict=True)
    return {
        task: fit_temperature(run.logits_NK[known_N, of], labels_N[known_N]) for task, of, labels_N, known_N in of_tasks
    }


def describe_decisions(decisions: Decisions, test: Predictions) -> dict[str, Any]:
    """What a run's results.json says of them, with scores of the test split before and after.

    Before: p = sigmoid(z), present above 0.5; after: as `Decisions` has it. "overall" is the mean over tasks.

    Example:
      >>> logits, there = np.array([[2.0], [1.0]]), np.array([[True], [False]])
      >>> ids, who, yes = np.array(["1", "2"]), np.full(2, -1), np.array([True])
      >>> run = Predictions(logits, there, np.ones((2, 1), bool), who, yes, ("smile",), ids)
      >>> described = describe_decisions(Decisions(np.array([1.0]), np.array([0.8])), run)  # 0.88 and 0.73
      >>> described["test"]["balanced_accuracy"]
      {'before': {'overall': 0.5, 'tasks': {'smile': 0.5}}, 'after': {'overall': 1.0, 'tasks': {'smile': 1.0}}}
    """
    calibrated, decided = cooled(test, decisions), decide(test, decisions)
    return {
        "temperatures": _known(test.tasks, decisions.temperatures_K),
        "thresholds": _known(test.tasks, decisions.thresholds_K),
        "test": {
            "expected_calibration_error": {"before": _errors(test), "after": _errors(calibrated)},
            "balanced_accuracy": {"before": _balanced(only(test, "binary")), "after": _balanced(decided)},
        },
    }


def cooled(run: Predictions, decisions: Decisions) -> Predictions:
    """The predictions with logits z / T; numbers stay as they are.

    Example:
      >>> ids, who, yes = np.array(["1"]), np.array([-1]), np.array([[True]])
      >>> run = Predictions(np.array([[3.0]]), yes, yes, who, yes[0], ("smile",), ids)
      >>> cooled(run, Decisions(np.array([2.0]), np.array([0.5]))).logits_NK
      array([[1.5]])
    """
    return run._replace(logits_NK=run.logits_NK.astype(np.float64) / _per_output(run, decisions.temperatures_K))


def decide(run: Predictions, decisions: Decisions) -> Predictions:
    """The predictions of the binary tasks with p - t in place of logits: above 0 where a task says "present".

    Example:
      >>> ids, who, yes = np.array(["1"]), np.array([-1]), np.array([[True]])
      >>> run = Predictions(np.array([[0.0]]), yes, yes, who, yes[0], ("smile",), ids)
      >>> decide(run, Decisions(np.array([2.0]), np.array([0.25]))).logits_NK
      array([[0.25]])
    """
    is_binary_K = [kind.name == "binary" for kind in kinds_of(run)]
    temperatures_K, thresholds_K = (of_tasks_K[is_binary_K] for of_tasks_K in decisions)
    binary = only(run, "binary")
    return binary._replace(logits_NK=probabilities(binary.logits_NK, temperatures_K) - thresholds_K)


def _per_output(run: Predictions, temperatures_K: np.ndarray) -> np.ndarray:
    return np.repeat(np.where(np.isnan(temperatures_K), 1.0, temperatures_K), [*map(num_outputs, kinds_of(run))])


def _known(tasks: Sequence[str], values_K: np.ndarray) -> dict[str, float]:
    return {task: value for task, value in zip(tasks, values_K.tolist(), strict=True) if not np.isnan(value)}


def _errors(run: Predictions) -> dict[str, Any]:
    of_tasks = calibrate([run])["tasks"]
    return _with_mean([*of_tasks], [of_task["expected_calibration_error"] for of_task in of_tasks.values()])


def _balanced(run: Predictions) -> dict[str, Any]:
    scores_K = metrics.balanced_accuracy(metrics.count(run.logits_NK, run.labels_NK, run.mask_NK))
    return _with_mean(run.tasks, [None if np.isnan(score) else float(score) for score in scores_K])


def _with_mean(tasks: Sequence[str], values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {"overall": sum(known) / len(known) if known else None, "tasks": dict(zip(tasks, values, strict=True))}
