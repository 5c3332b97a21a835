"""Controls: what another run's dropping becomes when its choice of tasks, or of times, is taken out of it.

random_drop    every task has the mean over tasks of P in that epoch: how much is dropped when stays, which task goes
permuted_drop  the very gates, with tasks permuted: number of drops, when, how long in a row and how unequal over tasks
               stay; that it was these tasks goes
static_drop    each task has its own mean of P over the epochs: how often each is dropped stays, when goes
uniform_drop   every task has the mean of P over tasks and epochs, in all epochs: only the dose stays
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtl.dst.metrics import PerTask, mean

Lines = Sequence[Mapping[str, Any]]  # of dst.jsonl


def repeat(scheme: str, lines: Lines, generator: np.random.Generator) -> list[PerTask]:
    """The activation probabilities of each epoch of a control.

    Args:
      scheme: one of those above.
      lines: of the run that is repeated, as many as the control has epochs.
      generator: of the permutation.

    Example:
      >>> lines = [{"P": {"a": 1.0, "b": 0.5}, "G": {"a": 1, "b": 0}}]
      >>> lines += [{"P": {"a": 0.5, "b": 0.5}, "G": {"a": 1, "b": 1}}]
      >>> for scheme in ("random_drop", "permuted_drop", "static_drop", "uniform_drop"):
      ...     print(repeat(scheme, lines, np.random.default_rng(0)))
      [{'a': 0.75, 'b': 0.75}, {'a': 0.5, 'b': 0.5}]
      [{'a': 0.0, 'b': 1.0}, {'a': 1.0, 'b': 1.0}]
      [{'a': 0.75, 'b': 0.5}, {'a': 0.75, 'b': 0.5}]
      [{'a': 0.625, 'b': 0.625}, {'a': 0.625, 'b': 0.625}]
    """
    tasks = tuple(lines[0]["P"])
    if scheme == "permuted_drop":
        source = dict(zip(tasks, derange(tasks, generator), strict=True))
        return [{task: float(line["G"][source[task]]) for task in tasks} for line in lines]
    if scheme == "static_drop":
        own = {task: sum(line["P"][task] for line in lines) / len(lines) for task in tasks}
        return [own] * len(lines)
    means = [mean(line["P"]) for line in lines]
    if scheme == "uniform_drop":
        means = [sum(means) / len(means)] * len(means)
    return [dict.fromkeys(tasks, rate) for rate in means]


def derange(tasks: tuple[str, ...], generator: np.random.Generator) -> tuple[str, ...]:
    """The tasks in an order in which none has its place, drawn uniformly; a single task keeps it.

    Example:
      >>> derange(("a", "b", "c"), np.random.default_rng(0))
      ('c', 'a', 'b')
    """
    while True:
        order = generator.permutation(len(tasks))
        if len(tasks) == 1 or (order != np.arange(len(tasks))).all():
            return tuple(tasks[index] for index in order)
