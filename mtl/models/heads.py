"""Task heads: one small network per task, stacked on a leading task axis so that one vmapped call serves them all.

Tasks that read the same features, with heads of one shape and one loss, form a group; the heads of a group are stacked.
Shape legend: B examples, D features, O outputs of a head, G tasks of a group.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from mtl.errors import UserError, check_choice
from mtl.losses import ExampleLoss, Task

HeadParams = dict[str, dict[str, Tensor]]  # group -> name -> [G, ...]

HEADS = ("linear", "mlp")


class Head(NamedTuple):
    """The kind of head that every task gets.

    Attributes:
      num_layers: layers with weights.
      init: (width, num_outputs, num_tasks, seed) -> name -> [G, ...].
      apply: (name -> tensor of one head, features_BD) -> outputs_BO.
    """

    num_layers: int
    init: Callable[[int, int, int, int], dict[str, Tensor]]
    apply: Callable[[dict[str, Tensor], Tensor], Tensor]


class Group(NamedTuple):
    """Tasks whose heads are stacked.

    Attributes:
      tap: the features that they read.
      tasks: their names, in the order of the stack.
      num_outputs: O of each head.
      loss: of each task, see `mtl.losses.Task`.
    """

    tap: str
    tasks: tuple[str, ...]
    num_outputs: int
    loss: ExampleLoss


def make_head(kind: str, hidden: int) -> Head:
    """Makes "linear" (D -> O) or "mlp" (D -> hidden, ReLU, -> O) heads.

    Example:
      >>> head = make_head("mlp", hidden=16)
      >>> {name: value.shape[0] for name, value in head.init(8, 1, 3, 0).items()}  # three heads, stacked
      {'0.weight': 3, '0.bias': 3, '2.weight': 3, '2.bias': 3}
    """
    check_choice("head", kind, HEADS)

    def build(width: int, num_outputs: int) -> nn.Module:
        if kind == "linear":
            return nn.Linear(width, num_outputs)
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, num_outputs))

    def init(width: int, num_outputs: int, num_tasks: int, seed: int) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            params, _ = stack_module_state([build(width, num_outputs) for _ in range(num_tasks)])
        return {name: value.detach().clone() for name, value in params.items()}

    graph = build(1, 1).to("meta")  # the graph is the same for every size; functional_call brings the numbers

    def apply(params: dict[str, Tensor], features_BD: Tensor) -> Tensor:
        return functional_call(graph, params, (features_BD,), strict=True)

    return Head(1 if kind == "linear" else 2, init, apply)


def make_groups(tasks: Mapping[str, Task], taps: Mapping[str, str]) -> dict[str, Group]:
    """Groups tasks by what they read, the width of their heads and their loss; each group is named after its tap.

    Args:
      tasks: name -> what the task is.
      taps: name -> the features that it reads.

    Example:
      >>> from mtl.losses import binary, classes
      >>> tasks = {"hat": binary(), "smile": binary(), "age": classes(5)}
      >>> {name: group.tasks for name, group in make_groups(tasks, dict.fromkeys(tasks, "end")).items()}
      {'end': ('hat', 'smile'), 'end, 5 outputs': ('age',)}
    """
    members: dict[tuple[str, int, ExampleLoss], list[str]] = {}
    for name, task in tasks.items():
        members.setdefault((taps[name], task.num_outputs, task.loss), []).append(name)
    groups: dict[str, Group] = {}
    for (tap, num_outputs, loss), names in members.items():
        candidates = [tap, f"{tap}, {num_outputs} outputs", f"{tap}, {names[0]}"]
        name = next(candidate for candidate in candidates if candidate not in groups)
        groups[name] = Group(tap, tuple(names), num_outputs, loss)
    return groups


def parse_taps(entries: Sequence[str], tasks: Sequence[str], deepest: str) -> dict[str, str]:
    """Reads `model.taps`: ("Eyeglasses=layer2", ...) -> task -> stage; tasks not named tap the deepest stage.

    Raises:
      UserError: for an entry that is not `task=stage`, or names a task that is not trained.

    Example:
      >>> parse_taps(["hat=layer2"], ["smile", "hat"], "layer4")
      {'smile': 'layer4', 'hat': 'layer2'}
    """
    taps = dict.fromkeys(tasks, deepest)
    for entry in entries:
        task, separator, stage = entry.rpartition("=")  # a task may have one in its name
        if not separator:
            raise UserError(f"taps has {entry!r}; write task=stage, as in Smiling={deepest}", "taps")
        if task not in taps:
            raise UserError(f"taps names {task!r}, which is none of the tasks", "taps")
        taps[task] = stage
    return taps
