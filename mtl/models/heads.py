"""Task heads: one small network per task, stacked on a leading task axis so that one vmapped call serves them all.

Tasks that tap the trunk at the same stage form a group, since their features have the same width; heads of a group are
stacked. Shape legend: B images, D features, G tasks of a group.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from mtl.errors import UserError

HeadParams = dict[str, dict[str, Tensor]]  # tap -> name -> [G, ...]


class Head(NamedTuple):
    """The kind of head that every task gets.

    Attributes:
      num_layers: layers with weights.
      init: (width, num_tasks, seed) -> name -> [G, ...].
      apply: (name -> tensor of one head, features_BD) -> logits_B.
    """

    num_layers: int
    init: Callable[[int, int, int], dict[str, Tensor]]
    apply: Callable[[dict[str, Tensor], Tensor], Tensor]


def make_head(kind: str, hidden: int) -> Head:
    """Makes "linear" (D -> 1) or "mlp" (D -> hidden, ReLU, -> 1) heads."""
    if kind not in ("linear", "mlp"):
        raise UserError(f"model.head is {kind!r}; choose linear or mlp")

    def build(width: int) -> nn.Module:
        if kind == "linear":
            return nn.Linear(width, 1)
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def init(width: int, num_tasks: int, seed: int) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            params, _ = stack_module_state([build(width) for _ in range(num_tasks)])
        return {name: value.detach().clone() for name, value in params.items()}

    graph = build(1).to("meta")  # the graph is the same for every width; functional_call brings the numbers

    def apply(params: dict[str, Tensor], features_BD: Tensor) -> Tensor:
        return functional_call(graph, params, (features_BD,), strict=True).squeeze(-1)

    return Head(1 if kind == "linear" else 2, init, apply)


def group_by_tap(taps: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Groups tasks by the stage that they tap: task -> tap becomes tap -> tasks, in the tasks' order."""
    groups: dict[str, tuple[str, ...]] = {}
    for task, tap in taps.items():
        groups[tap] = (*groups.get(tap, ()), task)
    return groups


def parse_taps(entries: Sequence[str], tasks: Sequence[str], deepest: str) -> dict[str, str]:
    """Reads `model.taps`: ("Eyeglasses=layer2", ...) -> task -> stage; tasks not named tap the deepest stage.

    Raises:
      UserError: for an entry that is not `task=stage`, or names a task that is not trained.
    """
    taps = dict.fromkeys(tasks, deepest)
    for entry in entries:
        task, separator, stage = entry.partition("=")
        if not separator:
            raise UserError(f"model.taps has {entry!r}; write task=stage, as in Smiling={deepest}")
        if task not in taps:
            raise UserError(f"model.taps names {task!r}, which is not in data.attributes")
        taps[task] = stage
    return taps
