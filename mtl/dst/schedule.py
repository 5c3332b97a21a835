"""Algorithm 1: the losses before an epoch in, how likely each task is trained in it out.

Source: A. Malhotra, M. Vatsa, R. Singh, "Dropped Scheduled Task: Mitigating Negative Transfer in Multi-task Learning
using Dynamic Task Dropping", TMLR 2023, Algorithm 1. Where the paper is silent, the choice is ours and marked so.

The schedule runs once per epoch on Python floats (IEEE double). One epoch reads from top to bottom:

  losses V -> I, P_u -> R -> R' -> P_r -> P -> gates G
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from mtl.dst.extensions import relative_to_mean
from mtl.dst.metrics import (
    NOTHING,
    PerTask,
    Weights,
    activation_probability,
    global_rates,
    incompleteness,
    incompleteness_ratio,
    local_rates,
    relative_to_largest,
    stagnancy,
)
from mtl.errors import UserError


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
    `ours` has the metrics that are not the paper's, name -> {"x": what was seen, none before an epoch was; "P"}.
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
    ours: Mapping[str, dict[str, Any]]

    def logged(self) -> dict[str, Any]:
        """As dst.jsonl holds it: without `ours` where there are none.

        Example:
          >>> static = Static({"a": 18}, {"a": 100}, Weights(0.0, 0.0, 0.0, 0.0, 1.0), beta=0.5)
          >>> "ours" in update(None, {"a": 0.7}, static)[1].logged()
          False
        """
        line = self._asdict()
        return line if self.ours else {name: value for name, value in line.items() if name != "ours"}


def check(static: Static) -> None:
    """Refuses weights or a beta that Algorithm 1 does not allow.

    Raises:
      UserError: if a lambda or beta is outside [0, 1], the lambdas do not sum to 1, or a count is not positive.

    Example:
      >>> check(Static({"a": 18}, {"a": 100}, Weights(0.2, 0.2, 0.2, 0.2, 0.2), beta=0.5))  # in order: says nothing
    """
    weights = static.weights.all()
    for name, value in weights.items():
        if not 0.0 <= value <= 1.0:
            raise UserError(f"lambda_{name} is {value:g}; it must lie in [0, 1]", "dst.weights")
    total = sum(weights.values())
    if abs(total - 1.0) > 1e-6:
        listed = ", ".join(f"lambda_{name} {value:g}" for name, value in weights.items())
        raise UserError(f"the weights must sum to 1, but sum to {total:g} ({listed})", "dst.weights")
    if not 0.0 <= static.beta <= 1.0:
        raise UserError(f"beta is {static.beta:g}; it must lie in [0, 1]", "beta")
    for task, num_samples in static.num_samples.items():
        if num_samples <= 0:
            raise UserError(f"{task} has no training sample that counts: leave the task out")


def update(
    state: State | None, losses: PerTask, static: Static, seen: Mapping[str, Mapping[str, float | None]] = NOTHING
) -> tuple[State, Account]:
    """One epoch of Algorithm 1: the losses before the epoch in, its activation probabilities out.

    Args:
      state: after the previous epoch; None before the first.
      losses: V_k, task -> mean training loss at the start of epoch k, nats, positive.
      static: see `Static`.
      seen: for metrics of ours, name -> task -> x over the last epoch, None where it was not measured; P = 1 for a
        metric that is not there, as before the first epoch.

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
    ours = {name: relative_to_mean(seen[name]) if name in seen else ones for name in static.weights.ours}
    P = activation_probability(static.weights, P_d, P_c, P_u, P_r, P_b, ours)
    shown = {name: {"x": seen.get(name), "P": of_tasks} for name, of_tasks in ours.items()}
    account = Account(epoch, losses, ratios, P_d, P_c, P_u, rates, smoothed, P_r, P_b, P, guard, shown)
    return State(epoch, first_losses, losses, smoothed), account


def _check_losses(losses: PerTask, epoch: int) -> None:
    for task, loss in losses.items():
        if not 0.0 < loss < math.inf:
            raise UserError(
                f"the loss of {task} before epoch {epoch} is {loss:g}, and DST divides by losses, which must be "
                "positive and finite: leave the task out, or shift its loss, where it is 0 or below; "
                "lower the learning rate where it is not finite"
            )
