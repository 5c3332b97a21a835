"""Dropped Scheduled Task (DST): how likely each task is trained in the coming epoch, and the masks that follow.

Source: A. Malhotra, M. Vatsa, R. Singh, "Dropped Scheduled Task: Mitigating Negative Transfer in Multi-task Learning
using Dynamic Task Dropping", TMLR 2023, Algorithm 1. Where the paper is silent, the choice is ours and marked so.

Everything here is a pure function over dictionaries keyed by task. The schedule runs once per epoch on Python floats
(IEEE double); only the masks at the end of the file touch tensors. One epoch reads from top to bottom:

  losses V -> I, P_u -> R -> R' -> P_r -> P -> gates G

Notation: t a task, k = 1, 2, ... an epoch, mean_t the mean over tasks.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.errors import UserError

PerTask = dict[str, float]
Tree = TypeVar("Tree")


class Weights(NamedTuple):
    """lambda_d, lambda_c, lambda_u, lambda_r, lambda_b: how much each metric counts; in [0, 1], with sum 1.

    d network depth, c sample count, u training incompleteness, r training stagnancy, b regularization.
    """

    d: float
    c: float
    u: float
    r: float
    b: float


class Static(NamedTuple):
    """What does not change over a run: depth d_t, number of samples c_t, the weights lambda, and beta."""

    depth: Mapping[str, float]
    num_samples: Mapping[str, float]
    weights: Weights
    beta: float


class State(NamedTuple):
    """What the schedule remembers after epoch k: the last epoch's number, V_1, V_k and R'_k."""

    epoch: int
    first_losses: PerTask
    losses: PerTask
    global_rates: PerTask


class Account(NamedTuple):
    """One epoch of Algorithm 1, step by step, under the names of `dst.jsonl`.

    At k = 1 nothing has changed yet: I = 1, and R = R' = 0 stand for "not defined".
    `guard` names the tasks whose loss did not fall, for which P_r = 1 stands in for the paper's quotient.
    """

    epoch: int
    V: PerTask
    I: PerTask  # noqa: E741 (the paper's symbol)
    P_d: PerTask
    P_c: PerTask
    P_u: PerTask
    R: PerTask
    R_global: PerTask
    P_r: PerTask
    P_b: PerTask
    P: PerTask
    guard: list[str]


def check(static: Static) -> None:
    """Refuses weights or a beta that Algorithm 1 does not allow.

    Raises:
      UserError: if a lambda or beta is outside [0, 1], the lambdas do not sum to 1, or a count is not positive.

    Example:
      >>> check(Static({"a": 18}, {"a": 100}, Weights(0.2, 0.2, 0.2, 0.2, 0.2), beta=0.5))  # in order: says nothing
    """
    for name, value in static.weights._asdict().items():
        if not 0.0 <= value <= 1.0:
            raise UserError(f"lambda_{name} is {value:g}; it must lie in [0, 1]", "dst.weights")
    total = sum(static.weights)
    if abs(total - 1.0) > 1e-6:
        listed = ", ".join(f"lambda_{name} {value:g}" for name, value in static.weights._asdict().items())
        raise UserError(f"the weights must sum to 1, but sum to {total:g} ({listed})", "dst.weights")
    if not 0.0 <= static.beta <= 1.0:
        raise UserError(f"beta is {static.beta:g}; it must lie in [0, 1]", "beta")
    for task, num_samples in static.num_samples.items():
        if num_samples <= 0:
            raise UserError(f"{task} has no training sample that counts: leave the task out")


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
    weights: Weights, P_d: PerTask, P_c: PerTask, P_u: PerTask, P_r: PerTask, P_b: PerTask
) -> PerTask:
    """P_t = lambda_d P_(d,t) + lambda_c P_(c,t) + lambda_u P_(u,t) + lambda_r P_(r,t) + lambda_b P_(b,t).

    The drop rate of a task is 1 - P_t.

    Example:
      >>> ones, half = {"a": 1.0}, {"a": 0.5}
      >>> activation_probability(Weights(0.5, 0.0, 0.0, 0.0, 0.5), P_d=half, P_c=ones, P_u=ones, P_r=ones, P_b=ones)
      {'a': 0.75}
    """
    metrics = (P_d, P_c, P_u, P_r, P_b)
    # The lambdas sum to 1 up to rounding; so does P at its most.
    return {t: min(1.0, sum(weight * metric[t] for weight, metric in zip(weights, metrics, strict=True))) for t in P_d}


def update(state: State | None, losses: PerTask, static: Static) -> tuple[State, Account]:
    """One epoch of Algorithm 1: the losses before the epoch in, its activation probabilities out.

    Args:
      state: after the previous epoch; None before the first.
      losses: V_k, task -> mean training loss at the start of epoch k, nats, positive.
      static: see `Static`.

    Raises:
      UserError: for a loss that is not a positive finite number, by which the quotients cannot divide.

    Example:
      >>> static = Static({"a": 18, "b": 9}, {"a": 100, "b": 100}, Weights(0.5, 0.0, 0.0, 0.0, 0.5), beta=0.5)
      >>> update(None, {"a": 0.7, "b": 0.6}, static)[1].P
      {'a': 1.0, 'b': 0.75}
    """
    _check_losses(losses, 1 if state is None else state.epoch + 1)
    ones, zeros = dict.fromkeys(losses, 1.0), dict.fromkeys(losses, 0.0)
    P_d, P_c, P_b = relative_to_largest(static.depth), relative_to_largest(static.num_samples), ones
    if state is None:
        epoch, first_losses, ratios, P_u, P_r = 1, losses, ones, ones, ones
        rates, smoothed, guard = zeros, zeros, list[str]()
    else:
        epoch, first_losses = state.epoch + 1, state.first_losses
        ratios = incompleteness_ratio(losses, first_losses)
        P_u = incompleteness(ratios)
        rates = local_rates(losses, state.losses, P_u)
        smoothed = rates if epoch == 2 else global_rates(rates, state.global_rates, static.beta)
        P_r, guard = stagnancy(smoothed)
    P = activation_probability(static.weights, P_d, P_c, P_u, P_r, P_b)
    account = Account(epoch, losses, ratios, P_d, P_c, P_u, rates, smoothed, P_r, P_b, P, guard)
    return State(epoch, first_losses, losses, smoothed), account


def _check_losses(losses: PerTask, epoch: int) -> None:
    for task, loss in losses.items():
        if not 0.0 < loss < math.inf:
            raise UserError(
                f"the loss of {task} before epoch {epoch} is {loss:g}, and DST divides by losses, which must be "
                "positive and finite: leave the task out, or shift its loss, where it is 0 or below; "
                "lower the learning rate where it is not finite"
            )


def sample_gates(P: PerTask, uniforms: PerTask) -> tuple[dict[str, bool], list[str]]:
    """Draws G_t ~ Bernoulli(P_t): a task is on where its uniform number is below P_t.

    Our choice: if every task were dropped, the one with the highest P is turned on, since an epoch without a task
    would train nothing.

    Args:
      P: task -> activation probability.
      uniforms: task -> a number drawn uniformly from [0, 1); randomness is data, drawn from (seed, epoch).

    Returns:
      (G, the task that was turned on by force: none or one).

    Example:
      >>> sample_gates({"a": 0.9, "b": 0.25}, {"a": 0.5, "b": 0.5})
      ({'a': True, 'b': False}, [])
      >>> sample_gates({"a": 0.25, "b": 0.125}, {"a": 0.5, "b": 0.5})  # both would be dropped
      ({'a': True, 'b': False}, ['a'])
    """
    gates = {task: uniforms[task] < probability for task, probability in P.items()}
    if any(gates.values()):
        return gates, []
    forced = max(P, key=lambda task: P[task])
    return gates | {forced: True}, [forced]


def mask(per_task: Mapping[str, Tree], gates: Mapping[str, Tensor]) -> dict[str, Tree]:
    """G_t x_t for losses or gradients: whatever belongs to a dropped task becomes 0.

    The loss that DST minimises is the sum of the masked losses, L = sum_t G_t L_t, and its gradient the sum of the
    masked gradients; nothing is divided by P or by the number of active tasks. A selection, not a product: a dropped
    task's NaN does not pass.

    Args:
      per_task: task -> scalar loss, or gradient: a tensor or a dictionary parameter -> tensor.
      gates: task -> scalar bool tensor, True = on.

    Example:
      >>> mask({"a": torch.tensor(0.5), "b": torch.tensor(0.7)}, {"a": torch.tensor(True), "b": torch.tensor(False)})
      {'a': tensor(0.5000), 'b': tensor(0.)}
    """
    return {
        task: tree_map(lambda value, gate=gates[task]: torch.where(gate, value, torch.zeros_like(value)), tree)
        for task, tree in per_task.items()
    }


def mean(values: PerTask) -> float:
    """mean_t x_t.

    Example:
      >>> mean({"a": 1.0, "b": 0.5})
      0.75
    """
    return sum(values.values()) / len(values)
