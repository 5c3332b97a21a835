"""Which tasks are on, for each method that drops tasks.

  dst          P from Algorithm 1, with all its metrics mixed by dst.weights
  dst_<metric> the same with a single metric, the paper's or one of ours: its lambda is 1 - lambda_b, the others are 0
  random_drop  a control: every task has the same P, the mean over tasks of P in that epoch of the run of the same seed
               that it repeats, so that only the choice of task differs. Its draws are independent of that run's.
  permuted_drop, static_drop, uniform_drop   other controls, see dst/controls.py

All of them measure V and keep the account of Algorithm 1, so that their logs can be read side by side. The gates are
drawn once per epoch, as in the paper, or once per step.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

from mtl import dst
from mtl.dst.controls import repeat
from mtl.errors import UserError
from mtl.record.reading import read_dst
from mtl.record.traces import CONTROLS
from mtl.streams import Stream, generator

METRICS = {"depth": "d", "count": "c", "incompleteness": "u", "stagnancy": "r"}  # name -> the paper's letter
# A method's number is part of the key of its gates' random numbers, so a new metric comes last.
NUMBERS = {name: n for n, name in enumerate(("dst", "random_drop", *(f"dst_{m}" for m in (*METRICS, *dst.EXTENSIONS))))}
NUMBERS |= {name: 100 + n for n, name in enumerate(CONTROLS[1:])}
DROPPING = tuple(NUMBERS)
Gates = dict[str, bool]  # task -> on or off
OwnKey = tuple[int, int]  # a seed for gates, and a digest of the run's name


class Dropping(NamedTuple):
    """How a run drops tasks; fixed while it lasts.

    Attributes:
      scheme: one of `DROPPING`.
      static: see `dst.Static`.
      seed: of the run.
      control: for one of `CONTROLS`, the probabilities of each epoch.
      num_steps: of an epoch, where gates are drawn anew in each step; None where they are drawn once per epoch.
      kept_from: the epoch from which on no task is dropped, None where there is none. A head that was dropped last is
        evaluated as it then was; a few epochs with all tasks bring it up to date. Our choice: the paper has none.
      own: see `own_key`.
    """

    scheme: str
    static: dst.Static
    seed: int
    control: list[dst.PerTask] | None = None
    num_steps: int | None = None
    kept_from: int | None = None
    own: OwnKey | None = None


class Plan(NamedTuple):
    """What is decided before an epoch.

    Attributes:
      gates: of each of its steps; one entry where all steps have the same.
      line: how that came about, for dst.jsonl.
    """

    gates: list[Gates]
    line: dict[str, Any]


def single_metric(method: str, weights: dst.Weights) -> dst.Weights:
    """The lambdas that a method uses: those of the mix, or with "dst_<metric>" that metric's alone.

    A single metric gets 1 - lambda_b and leaves lambda_b as it is.

    Example:
      >>> single_metric("dst_stagnancy", dst.Weights(d=0.2, c=0.2, u=0.2, r=0.2, b=0.2)).all()
      {'d': 0.0, 'c': 0.0, 'u': 0.0, 'r': 0.8, 'b': 0.2}
    """
    metric = method.removeprefix("dst_")
    share = 1.0 - weights.b
    if metric in dst.EXTENSIONS:
        return dst.Weights(0.0, 0.0, 0.0, 0.0, weights.b, {metric: share})
    if metric not in METRICS:
        return weights
    of = dict.fromkeys(METRICS.values(), 0.0) | {METRICS[metric]: share}
    return dst.Weights(of["d"], of["c"], of["u"], of["r"], weights.b)


def own_key(gates_seed: int, name: str) -> OwnKey | None:
    """What gives a run's gates random numbers of their own; None for those that its method and seed give.

    Without it, runs of one method and seed share their uniform numbers, whatever else differs: variants whose P hardly
    differ then draw the very same gates and are one network, so that their differences from joint training are one
    piece of evidence under several names. With it, each name draws for itself, and another gates seed draws other gates
    for the same weights and data.

    Example:
      >>> own_key(-1, "beta_10") is None, own_key(0, "beta_10") == own_key(0, "beta_90")
      (True, False)
    """
    return None if gates_seed < 0 else (gates_seed, crc32(name.encode()))


def draw_gates(
    scheme: str, P: dst.PerTask, seed: int, epoch: int, step: int | None = None, own: OwnKey | None = None
) -> tuple[Gates, list[str]]:
    """Gates of an epoch, or of one of its steps: a pure function of its arguments.

    Returns:
      (task -> on or off, the task that was turned on by force: none or one).

    Example:
      >>> draw_gates("dst", {"smile": 1.0, "hat": 0.0}, seed=0, epoch=1)
      ({'smile': True, 'hat': False}, [])
    """
    return dst.sample_gates(P, uniforms(scheme, seed, epoch, tuple(P), step, own))


def uniforms(
    scheme: str, seed: int, epoch: int, tasks: tuple[str, ...], step: int | None = None, own: OwnKey | None = None
) -> dst.PerTask:
    """One number from [0, 1) per task: a pure function of (scheme, seed, epoch, step), or of (own, seed, epoch, step).

    Example:
      >>> uniforms("dst", 0, 1, ("smile", "hat")) == uniforms("dst", 0, 1, ("smile", "hat"))
      True
    """
    when = [seed, epoch, *([] if step is None else [step])]
    key = (Stream.GATES, NUMBERS[scheme]) if own is None else (Stream.OWN_GATES, *own)
    return dict(zip(tasks, generator(*key, *when).random(len(tasks)).tolist(), strict=True))


def plan_epoch(
    dropping: Dropping,
    state: dst.State | None,
    losses: dst.PerTask,
    seen: Mapping[str, Mapping[str, float | None]] = MappingProxyType({}),
) -> tuple[dst.State, Plan]:
    """One epoch's activation probabilities and the gates that are drawn with them: here, and nowhere else.

    Args:
      dropping: of the run.
      state: of Algorithm 1 after the previous epoch, None before the first.
      losses: V, task -> mean training loss before the epoch.
      seen: of the last epoch's gradients, see `dst.update`.

    Example:
      >>> static = dst.Static({"a": 18.0, "b": 9.0}, {"a": 10.0, "b": 10.0}, dst.Weights(1.0, 0.0, 0.0, 0.0, 0.0), 0.5)
      >>> state, plan = plan_epoch(Dropping("dst", static, seed=0), None, {"a": 0.7, "b": 0.6})
      >>> plan.line["P"], plan.gates
      ({'a': 1.0, 'b': 0.5}, [{'a': True, 'b': True}])
    """
    state, account = dst.update(state, losses, dropping.static, seen)
    control, epoch = dropping.control, account.epoch
    P = account.P if control is None else control[epoch - 1]
    kept = dropping.kept_from is not None and epoch >= dropping.kept_from
    P = dict.fromkeys(losses, 1.0) if kept else P
    steps = [None] if dropping.num_steps is None else range(dropping.num_steps)
    draws = [draw_gates(dropping.scheme, P, dropping.seed, epoch, step, dropping.own) for step in steps]
    gates = [drawn for drawn, _ in draws]
    forced = sorted({task for _, names in draws for task in names})
    static = dropping.static
    line = account.logged() | {
        "P": P,
        "G": mean_gates(gates),
        "depth": static.depth,
        "count": static.num_samples,
        "weights": static.weights.logged(),
        "beta": static.beta,
        "guard": account.guard + [task for task in forced if task not in account.guard],
        "forced": forced,
        **({"kept": True} if kept else {}),
    }
    return state, Plan(gates, line)


def mean_gates(draws: list[Gates]) -> dict[str, float]:
    """Task -> share of the draws in which it was on; 0 or 1 where there is one draw.

    Example:
      >>> mean_gates([{"smile": True, "hat": True}, {"smile": True, "hat": False}])
      {'smile': 1.0, 'hat': 0.5}
    """
    return {task: sum(gates[task] for gates in draws) / len(draws) for task in draws[0]}


def read_control(scheme: str, repeated: Path, num_epochs: int, seed: int) -> list[dst.PerTask]:
    """A control's probabilities in each epoch, from the run that it repeats.

    Args:
      scheme: one of `CONTROLS`.
      repeated: the folder of that run.
      num_epochs: of the control.
      seed: of the control.

    Raises:
      UserError: if that run is not there, not as long, or drew gates per step, whose permutation is nowhere.

    Example:
      >>> import json, tempfile
      >>> line = {"epoch": 1, "V": {}, "P": {"smile": 1.0, "hat": 0.5}, "G": {"smile": 1, "hat": 0}}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "dst.jsonl").write_text(json.dumps(line))
      ...     read_control("random_drop", Path(folder), num_epochs=1, seed=0)
      [{'smile': 0.75, 'hat': 0.75}]
    """
    lines = read_dst(repeated)
    if len(lines) < num_epochs:
        raise UserError(
            f"{scheme} repeats the drop rates of the DST run in {repeated}, which has {len(lines)} of {num_epochs} "
            f"epochs: train {repeated.parent.name} before {scheme}, with the same seed and for as long"
        )
    if scheme == "permuted_drop" and any(0 < gate < 1 for line in lines for gate in line["G"].values()):
        raise UserError(f"permuted_drop repeats gates that are drawn per epoch, and {repeated} drew them per step")
    return repeat(scheme, lines[:num_epochs], generator(Stream.PERMUTATION, seed))
