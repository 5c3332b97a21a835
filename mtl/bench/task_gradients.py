"""Part b: per-task gradients against TorchJD and the plain loop of autograd.grad: time and peak memory of a step."""

import warnings
from functools import partial
from typing import Any

import numpy as np
import torch

from mtl.bench import handwritten, memory
from mtl.bench.ours import Case, make_ours
from mtl.bench.settings import BenchSettings, Effort
from mtl.bench.table import Row
from mtl.bench.timing import Contestant, quartiles, ratio, take_turns
from mtl.errors import not_installed
from mtl.methods import METHODS
from mtl.training.sourcing import Sourcing

JOINT, LOOP, TORCHJD = "joint", "loop", "torchjd"
STATEFUL = ("moco", "db_mtl", "excess_mtl")
LEGEND = (
    "Whole training steps, ratios to the joint step just before; at the parameters, ours and TorchJD's Gramians are "
    "exact. loop: K calls of autograd.grad, their Gramian, the weights of our upgrad; torchjd: mtl_backward and UPGrad "
    "as they come; one by one: parallel_chunk_size=1; lean: also optimize_gramian_computation=True; autogram: its "
    "Engine. moco, db_mtl and excess_mtl keep K gradients. Memory is the peak less what imported libraries take."
)

CASES = [Case(num_tasks=8), Case(num_tasks=40)]
EFFORTS = {"short": Effort(num_warmup=1, min_rounds=2), "full": Effort(num_warmup=1, min_rounds=5, seconds=300.0)}
NUM_PROCESSES = {"short": 1, "full": 3}  # that memory is measured in, for each contestant
FEW_TASKS = 8  # beyond, the full form leaves out methods at their own level, and the short one all but the `LEANEST`
LEANEST = (JOINT, "joint, hand-written", "upgrad, parameters", LOOP, "torchjd, lean")


def run(settings: BenchSettings) -> dict[str, Any]:
    """Every case; in the full form all other methods at their own level, too."""
    warnings.filterwarnings("ignore", module=r"torchjd|torch\._inductor")
    form, device = settings.form, settings.device
    times, bytes_taken, of_methods = [], [], []
    for case in CASES:
        contestants = make_contestants(case, device, cheap=form == "full")
        if form == "short" and case.num_tasks > FEW_TASKS:
            contestants = {name: contestants[name] for name in LEANEST}
        times += compare(case, contestants, device, EFFORTS[form])
        bytes_taken += weigh(case, contestants, device, NUM_PROCESSES[form])
        if form == "full" and case.num_tasks <= FEW_TASKS:
            names = (JOINT, *(name for name in METHODS if name not in STATEFUL))
            of_methods += compare(case, {name: ours(case, device, name) for name in names}, device, EFFORTS[form])
    tables = {"Time": times, "Peak memory": bytes_taken, "Other methods at their own level": of_methods}
    return {"legend": LEGEND, "tables": {title: rows for title, rows in tables.items() if rows}}


def ours(case: Case, device: torch.device, method_name: str, source: Sourcing = Sourcing()) -> Contestant:  # noqa: B008
    """Our step under a balancing method.

    Example:
      >>> ours(Case(), torch.device("cpu"), "upgrad", Sourcing("parameters", every=10)).num_steps
      10
    """
    return Contestant(partial(make_ours, case, device, method_name, source), source.every)


def make_contestants(case: Case, device: torch.device, cheap: bool = False) -> dict[str, Contestant]:
    """Who finds the gradients of all tasks at the parameters, joint training first.

    Args:
      cheap: also the looks that are not of every step, or not at the whole batch.

    Raises:
      UserError: if TorchJD is not installed.
    """
    try:
        from mtl.bench.peers import make_peers
    except ImportError as error:
        raise not_installed("per-task gradients are compared", "TorchJD", "bench") from error
    at_parameters = {"upgrad, parameters": Sourcing("parameters")}
    if cheap:
        at_parameters |= {
            "upgrad, parameters, every 10": Sourcing("parameters", every=10),
            "upgrad, parameters, fraction 0.25": Sourcing("parameters", fraction=0.25),
        }
    return {
        JOINT: ours(case, device, "joint"),
        "joint, hand-written": Contestant(partial(handwritten.make_loop, case, device)),
        **{name: ours(case, device, "upgrad", source) for name, source in at_parameters.items()},
        **make_peers(case, device),
        **{name: ours(case, device, name) for name in STATEFUL},
    }


def compare(case: Case, contestants: dict[str, Contestant], device: torch.device, effort: Effort) -> list[Row]:
    """A row for each contestant, in groups that take turns."""
    rows: dict[str, Row] = {}
    for group in split(contestants):
        rows = {row["step"]: row for row in compare_group(case, group, device, effort)} | rows
    return [rows[name] for name in contestants]


def split(contestants: dict[str, Contestant]) -> list[dict[str, Contestant]]:
    """Those that keep gradients play alone with joint training and the loop: together they fill the memory.

    Example:
      >>> someone = Contestant(lambda: list)
      >>> [list(group) for group in split({"joint": someone, "upgrad": someone, "loop": someone, "moco": someone})]
      [['joint', 'upgrad', 'loop'], ['joint', 'loop', 'moco']]
    """
    together = {name: contestant for name, contestant in contestants.items() if name not in STATEFUL}
    beside = {name: contestants[name] for name in (JOINT, LOOP) if name in contestants}
    return [together, *(beside | {name: contestants[name]} for name in STATEFUL if name in contestants)]


def compare_group(case: Case, contestants: dict[str, Contestant], device: torch.device, effort: Effort) -> list[Row]:
    """A row for each contestant, all in turns."""
    found = take_turns(contestants, JOINT, device, effort)
    others = {f"of {other}": other for other in (LOOP, TORCHJD) if other in found}
    return [
        {
            "K": case.num_tasks,
            "batch": case.batch_size,
            "pixels": case.image_size,
            "step": name,
            "seconds": quartiles(timed.seconds_R),
            "of joint": ratio(found, name, JOINT, JOINT),
            **{column: ratio(found, name, other, JOINT) for column, other in others.items()},
            "rounds": len(timed.seconds_R),
            "build, s": timed.build_seconds,
            "warm-up and compile, s": timed.warmup_seconds,
        }
        for name, timed in found.items()
    ]


def weigh(case: Case, contestants: dict[str, Contestant], device: torch.device, num_processes: int) -> list[Row]:
    """A row for each contestant: peak memory, and its ratios to joint training and to the loop; None where it died."""
    measured = {
        name: [found.added for _ in range(num_processes) if (found := memory.of_steps(contestant, device)) is not None]
        for name, contestant in contestants.items()
    }
    added = {name: float(np.median(each)) if each else None for name, each in measured.items()}
    return [
        {
            "K": case.num_tasks,
            "batch": case.batch_size,
            "pixels": case.image_size,
            "step": name,
            "MB": own and own / 1e6,
            **{f"of {other}": _quotient(own, added.get(other)) for other in (JOINT, LOOP)},
            "processes": len(measured[name]),
        }
        for name, own in added.items()
    ]


def _quotient(own: float | None, other: float | None) -> float | None:
    return own / other if own is not None and other else None
