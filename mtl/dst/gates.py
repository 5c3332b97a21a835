"""Gates: drawn from the activation probabilities, and what they shut."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from mtl.dst.metrics import PerTask

Tree = TypeVar("Tree")


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
