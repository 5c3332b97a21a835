"""The four metrics of DST, and the activation probability that they make: pure functions over dictionaries of tasks.

Source: A. Malhotra, M. Vatsa, R. Singh, "Dropped Scheduled Task: Mitigating Negative Transfer in Multi-task Learning
using Dynamic Task Dropping", TMLR 2023, Algorithm 1. Where the paper is silent, the choice is ours and marked so.

Notation: t a task, k = 1, 2, ... an epoch, mean_t the mean over tasks.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

PerTask = dict[str, float]
NOTHING: Mapping[str, PerTask] = MappingProxyType({})


class Weights(NamedTuple):
    """lambda_d, lambda_c, lambda_u, lambda_r, lambda_b: how much each metric counts; in [0, 1], with sum 1.

    d network depth, c sample count, u training incompleteness, r training stagnancy, b regularization; `ours` has those
    of metrics that are not the paper's, name -> lambda, see `mtl.dst.extensions`.
    """

    d: float
    c: float
    u: float
    r: float
    b: float
    ours: Mapping[str, float] = MappingProxyType({})

    def all(self) -> dict[str, float]:
        """Every lambda: letter, or name of one of ours -> lambda.

        Example:
          >>> Weights(0.2, 0.2, 0.2, 0.2, 0.1, {"signal": 0.1}).all()
          {'d': 0.2, 'c': 0.2, 'u': 0.2, 'r': 0.2, 'b': 0.1, 'signal': 0.1}
        """
        return {"d": self.d, "c": self.c, "u": self.u, "r": self.r, "b": self.b, **self.ours}

    def logged(self) -> dict[str, Any]:
        """As a log holds them, so that `Weights(**logged)` has them again: without `ours` where there are none.

        Example:
          >>> Weights(0.2, 0.2, 0.2, 0.2, 0.2).logged()
          {'d': 0.2, 'c': 0.2, 'u': 0.2, 'r': 0.2, 'b': 0.2}
        """
        return {name: value for name, value in self._asdict().items() if name != "ours"} | (
            {"ours": dict(self.ours)} if self.ours else {}
        )


def relative_to_largest(values: Mapping[str, float]) -> PerTask:
    """Network depth and sample count: P_t = x_t / max_t x_t.

    Args:
      values: task -> d_t (layers with weights) or c_t (annotated samples), positive.

    Example:
      >>> relative_to_largest({"smile": 18, "hat": 9})
      {'smile': 1.0, 'hat': 0.5}
    """
    largest = max(values.values())
    return {task: value / largest for task, value in values.items()}


def incompleteness_ratio(losses: PerTask, first_losses: PerTask) -> PerTask:
    """How much of its first loss a task still has: I_t = V_(k,t) / V_(1,t).

    Example:
      >>> incompleteness_ratio({"a": 0.4, "b": 0.6}, first_losses={"a": 0.8, "b": 0.6})
      {'a': 0.5, 'b': 1.0}
    """
    return {task: loss / first_losses[task] for task, loss in losses.items()}


def incompleteness(ratios: PerTask) -> PerTask:
    """Training incompleteness: P_(u,t) = min(1, I_t / mean_t I_t); a task ahead of the others is dropped more.

    Example:
      >>> incompleteness({"a": 0.5, "b": 1.0, "c": 1.5})
      {'a': 0.5, 'b': 1.0, 'c': 1.0}
    """
    average = mean(ratios)
    return {task: min(1.0, ratio / average) for task, ratio in ratios.items()}


def local_rates(losses: PerTask, previous_losses: PerTask, P_u: PerTask) -> PerTask:
    """Local rate of change: R_t = (V_(k,t) - V_(k-1,t)) / (P_(u,t) V_(k-1,t)); negative while the loss falls.

    Example:
      >>> local_rates({"a": 0.4, "b": 0.6}, previous_losses={"a": 0.8, "b": 0.6}, P_u={"a": 1.0, "b": 1.0})
      {'a': -0.5, 'b': 0.0}
    """
    return {t: (losses[t] - previous_losses[t]) / previous_losses[t] / P_u[t] for t in losses}


def global_rates(rates: PerTask, previous_global_rates: PerTask, beta: float) -> PerTask:
    """Global rate of change, k > 2: R'_(k,t) = beta R_(k,t) + (1 - beta) R'_(k-1,t).

    Example:
      >>> global_rates({"a": -0.5}, previous_global_rates={"a": -0.25}, beta=0.5)
      {'a': -0.375}
    """
    return {task: beta * rate + (1.0 - beta) * previous_global_rates[task] for task, rate in rates.items()}


def stagnancy(global_rates: PerTask) -> tuple[PerTask, list[str]]:
    """Training stagnancy: P_(r,t) = min(1, mean_t R'_t / R'_t) where every R' < 0.

    Our choice where a loss stands still or rises, for which the quotient can be negative: with the progress
    g_t = max(0, -R'_t), P_r = 1 where g_t = 0 (a task that stopped improving is stagnant: the limit R' -> 0-), else
    min(1, mean_t g_t / g_t). Where every R' < 0 this is the paper's line.

    Returns:
      (P_r, the tasks with g_t = 0).

    Example:
      >>> stagnancy({"a": -0.75, "b": -0.25})
      ({'a': 0.6666666666666666, 'b': 1.0}, [])
      >>> stagnancy({"a": -0.5, "b": 0.25})  # the loss of b rises
      ({'a': 0.5, 'b': 1.0}, ['b'])
    """
    progress = {task: max(0.0, -rate) for task, rate in global_rates.items()}
    average = mean(progress)
    guard = [task for task, gain in progress.items() if gain == 0.0]
    return {task: 1.0 if gain == 0.0 else min(1.0, average / gain) for task, gain in progress.items()}, guard


def activation_probability(
    weights: Weights,
    P_d: PerTask,
    P_c: PerTask,
    P_u: PerTask,
    P_r: PerTask,
    P_b: PerTask,
    ours: Mapping[str, PerTask] = NOTHING,
) -> PerTask:
    """P_t = lambda_d P_(d,t) + lambda_c P_(c,t) + lambda_u P_(u,t) + lambda_r P_(r,t) + lambda_b P_(b,t).

    Metrics of ours are added likewise, where there are any. The drop rate of a task is 1 - P_t.

    Example:
      >>> ones, half = {"a": 1.0}, {"a": 0.5}
      >>> activation_probability(Weights(0.5, 0.0, 0.0, 0.0, 0.5), P_d=half, P_c=ones, P_u=ones, P_r=ones, P_b=ones)
      {'a': 0.75}
    """
    metrics = {"d": P_d, "c": P_c, "u": P_u, "r": P_r, "b": P_b, **ours}
    # The lambdas sum to 1 up to rounding; so does P at its most.
    return {t: min(1.0, sum(weight * metrics[name][t] for name, weight in weights.all().items())) for t in P_d}


def mean(values: PerTask) -> float:
    """mean_t x_t.

    Example:
      >>> mean({"a": 1.0, "b": 0.5})
      0.75
    """
    return sum(values.values()) / len(values)
