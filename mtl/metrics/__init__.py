"""Scores of a split, each from what adds up over images.

  binary      counts by predicted and true class, and what is computed from them
  classes     the same from a confusion matrix
  regression  the same from sums of errors
  scores      all scores of a split, and the one score that tasks of every kind have

A label that is missing counts nowhere.
"""

from mtl.metrics.binary import Counts, accuracy, average_precision, balanced_accuracy, count, f1, merge
from mtl.metrics.scores import MEANING, SCORE, evaluate, main_score, overall

__all__ = [
    "MEANING",
    "SCORE",
    "Counts",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "count",
    "evaluate",
    "f1",
    "main_score",
    "merge",
    "overall",
]
