"""Which tasks are on, for each method that drops tasks.

  dst          P from Algorithm 1, with all its metrics mixed by dst.weights
  dst_<metric> the same with a single metric: its lambda is 1 - lambda_b, the other three are 0
  random_drop  the control: every task has the same P, the mean over tasks of P in that epoch of the same seed's DST
               run, so that only DST's choice of task differs. Its draws are independent of DST's.

All of them measure V and keep the account of Algorithm 1, so that their logs can be read side by side. The gates are
drawn once per epoch, as in the paper, or once per step.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl import dst
from mtl.errors import UserError

METRICS = {"depth": "d", "count": "c", "incompleteness": "u", "stagnancy": "r"}  # name -> the paper's letter
# The index is the random stream of the method's gates.
DROPPING = ("dst", "random_drop", *(f"dst_{metric}" for metric in METRICS))
PERIODS = ("epoch", "step")


class Plan(NamedTuple):
    """What is decided before an epoch: task -> activation probability, and the line for dst.jsonl."""

    P: dst.PerTask
    line: dict[str, Any]


def single_metric(method: str, weights: dst.Weights) -> dst.Weights:
    """The lambdas that a method uses: those of the mix, or with "dst_<metric>" that metric's alone.

    A single metric gets 1 - lambda_b and leaves lambda_b as it is.

    Example:
      >>> single_metric("dst_stagnancy", dst.Weights(d=0.2, c=0.2, u=0.2, r=0.2, b=0.2))
      Weights(d=0.0, c=0.0, u=0.0, r=0.8, b=0.2)
    """
    metric = method.removeprefix("dst_")
    if metric not in METRICS:
        return weights
    return dst.Weights(0.0, 0.0, 0.0, 0.0, weights.b)._replace(**{METRICS[metric]: 1.0 - weights.b})


def draw_gates(
    method: str, P: dst.PerTask, seed: int, epoch: int, step: int | None = None
) -> tuple[dict[str, bool], list[str]]:
    """Gates of an epoch, or of one of its steps: a pure function of its arguments.

    Returns:
      (task -> on or off, the task that was turned on by force: none or one).

    Example:
      >>> draw_gates("dst", {"smile": 1.0, "hat": 0.0}, seed=0, epoch=1)
      ({'smile': True, 'hat': False}, [])
    """
    return dst.sample_gates(P, uniforms(method, seed, epoch, tuple(P), step))


def uniforms(method: str, seed: int, epoch: int, tasks: tuple[str, ...], step: int | None = None) -> dst.PerTask:
    """One number from [0, 1) per task: a pure function of (method, seed, epoch, step).

    Example:
      >>> uniforms("dst", 0, 1, ("smile", "hat")) == uniforms("dst", 0, 1, ("smile", "hat"))
      True
    """
    # 3: the stream of gates; data/batches.py has 1 and 2
    key = [3, DROPPING.index(method), seed, epoch, *([] if step is None else [step])]
    return dict(zip(tasks, np.random.default_rng(np.random.SeedSequence(key)).random(len(tasks)).tolist(), strict=True))


def plan_epoch(
    method: str,
    state: dst.State | None,
    losses: dst.PerTask,
    static: dst.Static,
    seed: int,
    control: list[float] | None,
    num_steps: int | None = None,
) -> tuple[dst.State, Plan]:
    """One epoch's activation probabilities for a method that drops tasks.

    Args:
      method: one of `DROPPING`.
      state: of Algorithm 1 after the previous epoch, None before the first.
      losses: V, task -> mean training loss before the epoch.
      static: see `dst.Static`.
      seed: of the draws.
      control: for random_drop, the probability of each epoch.
      num_steps: of the epoch, when gates are drawn per step; G is then their mean.
    """
    state, account = dst.update(state, losses, static)
    P = account.P if control is None else dict.fromkeys(losses, control[account.epoch - 1])
    steps = [None] if num_steps is None else range(num_steps)
    draws = [draw_gates(method, P, seed, account.epoch, step) for step in steps]
    forced = sorted({task for _, names in draws for task in names})
    line = account._asdict() | {
        "P": P,
        "G": mean_gates([gates for gates, _ in draws]),
        "depth": static.depth,
        "count": static.num_samples,
        "weights": static.weights._asdict(),
        "beta": static.beta,
        "guard": account.guard + [task for task in forced if task not in account.guard],
        "forced": forced,
    }
    return state, Plan(P, line)


def mean_gates(draws: list[dict[str, bool]]) -> dict[str, float]:
    """Task -> share of the draws in which it was on; 0 or 1 where there is one draw.

    Example:
      >>> mean_gates([{"smile": True, "hat": True}, {"smile": True, "hat": False}])
      {'smile': 1.0, 'hat': 0.5}
    """
    return {task: sum(gates[task] for gates in draws) / len(draws) for task in draws[0]}


def read_control(dst_run: Path, num_epochs: int) -> list[float]:
    """The control's probabilities: mean_t P_(k,t) for k = 1 ... num_epochs of a DST run.

    Raises:
      UserError: if that run is not there or not as long.
    """
    path = dst_run / "dst.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    if len(lines) < num_epochs:
        raise UserError(
            f"random_drop repeats the drop rates of the DST run in {dst_run}, which has {len(lines)} of {num_epochs} "
            "epochs; put dst before random_drop in study.methods, or train it first"
        )
    return [dst.mean(line["P"]) for line in lines[:num_epochs]]
