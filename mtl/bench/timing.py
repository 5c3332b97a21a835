"""A clock for contestants that take turns in one process, so that a slow second of the machine hits all of them."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch

from mtl.bench.settings import Effort

Step = Callable[[], object]
Quartiles = dict[str, float]


class Contestant(NamedTuple):
    """Who takes turns.

    Attributes:
      make: builds what it needs, and gives a step that carries its state along. It can be pickled: memory is measured
        in another process.
      num_steps: of a turn. A method that looks in every tenth step takes ten.
    """

    make: Callable[[], Step]
    num_steps: int = 1


class Timed(NamedTuple):
    """What one contestant took.

    Attributes:
      seconds_R: of a step, in each of R rounds.
      yardstick_R: of the yardstick's step just before.
      build_seconds: to make it.
      warmup_seconds: all warm-up steps, compilation too.
    """

    seconds_R: np.ndarray
    yardstick_R: np.ndarray
    build_seconds: float
    warmup_seconds: float


def take_turns(
    contestants: Mapping[str, Contestant], yardstick: str, device: torch.device, effort: Effort
) -> dict[str, Timed]:
    """Every round each contestant takes one turn, and the yardstick one before each of them.

    Args:
      contestants: the yardstick among them, which takes a single step in a turn.

    Example:
      >>> found = take_turns({"a": Contestant(lambda: list)}, "a", torch.device("cpu"), Effort(min_rounds=3))
      >>> found["a"].seconds_R.shape
      (3,)
    """
    torch.compiler.reset()  # to it all methods are one function, of which it keeps a few versions
    steps, apart = {}, {}
    for name, contestant in contestants.items():
        build_seconds, steps[name] = _built(contestant, device)
        apart[name] = (build_seconds, sum(seconds(steps[name], device) for _ in range(effort.num_warmup)))

    def turn(name: str) -> tuple[float, float]:
        before = seconds(steps[yardstick], device)
        num_steps = contestants[name].num_steps
        return sum(seconds(steps[name], device) for _ in range(num_steps)) / num_steps, before

    rounds: list[list[tuple[float, float]]] = []
    end = time.perf_counter() + effort.seconds
    while len(rounds) < effort.min_rounds or time.perf_counter() < end:
        rounds.append([turn(name) for name in contestants])
    times = np.array(rounds)
    return {name: Timed(times[:, i, 0], times[:, i, 1], *apart[name]) for i, name in enumerate(contestants)}


def _built(contestant: Contestant, device: torch.device) -> tuple[float, Step]:
    began = time.perf_counter()
    step = contestant.make()
    synchronize(device)
    return time.perf_counter() - began, step


def seconds(step: Step, device: torch.device) -> float:
    """Wall time of one step.

    Example:
      >>> 0.01 < seconds(lambda: time.sleep(0.02), torch.device("cpu"))
      True
    """
    began = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - began


def synchronize(device: torch.device) -> None:
    """Waits for the device.

    Example:
      >>> synchronize(torch.device("cpu"))
    """
    if device.type == "cuda":
        torch.cuda.synchronize()


def ratio(found: Mapping[str, Timed], name: str, other: str, yardstick: str) -> Quartiles | None:
    """What a contestant takes, divided by what another takes: of neighbouring turns, median and quartiles over rounds.

    Args:
      yardstick: whose turns are just before; another's are those of the same round.

    Returns:
      None for a contestant and itself; the yardstick has a turn before its own, so its ratio to itself is the noise.

    Example:
      >>> one = Timed(np.array([2.0, 6.0]), np.array([1.0, 2.0]), 0.0, 0.0)
      >>> other = Timed(np.array([4.0, 4.0]), np.array([1.0, 2.0]), 0.0, 0.0)
      >>> ratio({"a": one, "b": other}, "a", "y", yardstick="y")
      {'median': 2.5, 'quartile_1': 2.25, 'quartile_3': 2.75}
      >>> ratio({"a": one, "b": other}, "a", "b", yardstick="y")
      {'median': 1.0, 'quartile_1': 0.75, 'quartile_3': 1.25}
    """
    if name == other != yardstick:
        return None
    beside_R = found[name].yardstick_R if other == yardstick else found[other].seconds_R
    return quartiles(found[name].seconds_R / beside_R)


def quartiles(values: np.ndarray) -> Quartiles:
    """Median and quartiles.

    Example:
      >>> quartiles(np.array([3.0, 1.0, 2.0]))
      {'median': 2.0, 'quartile_1': 1.5, 'quartile_3': 2.5}
    """
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "quartile_1": float(low), "quartile_3": float(high)}
