"""Which tasks are on in the coming epoch, for each method that drops tasks.

  dst          P from Algorithm 1
  random_drop  the control: every task has the same P, the mean over tasks of P in that epoch of the same seed's DST
               run, so that only DST's choice of task differs. Its draws are independent of DST's.

Both measure V and keep the account of Algorithm 1, so that their logs can be read side by side.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl import dst
from mtl.errors import UserError

DROPPING = ("dst", "random_drop")  # the index is the random stream of the method's gates


class Plan(NamedTuple):
    """What one epoch trains: task -> on or off, and the line for dst.jsonl."""

    gates: dict[str, bool]
    line: dict[str, Any]


def uniforms(method: str, seed: int, epoch: int, tasks: tuple[str, ...]) -> dst.PerTask:
    """One number from [0, 1) per task: a pure function of (method, seed, epoch)."""
    key = [3, DROPPING.index(method), seed, epoch]  # 3: the stream of gates; data/batches.py has 1 and 2
    return dict(zip(tasks, np.random.default_rng(np.random.SeedSequence(key)).random(len(tasks)).tolist(), strict=True))


def plan_epoch(
    method: str,
    state: dst.State | None,
    losses: dst.PerTask,
    static: dst.Static,
    seed: int,
    control: list[float] | None,
) -> tuple[dst.State, Plan]:
    """One epoch's gates for a method that drops tasks.

    Args:
      method: "dst" or "random_drop".
      state: of Algorithm 1 after the previous epoch, None before the first.
      losses: V, task -> mean training loss before the epoch.
      static: see `dst.Static`.
      seed: of the draws.
      control: for random_drop, the probability of each epoch.
    """
    state, account = dst.update(state, losses, static)
    P = account.P if control is None else dict.fromkeys(losses, control[account.epoch - 1])
    gates, forced = dst.sample_gates(P, uniforms(method, seed, account.epoch, tuple(losses)))
    line = account._asdict() | {
        "P": P,
        "G": {task: int(gate) for task, gate in gates.items()},
        "depth": static.depth,
        "count": static.num_samples,
        "weights": static.weights._asdict(),
        "beta": static.beta,
        "guard": account.guard + [task for task in forced if task not in account.guard],
        "forced": forced,
    }
    return state, Plan(gates, line)


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
