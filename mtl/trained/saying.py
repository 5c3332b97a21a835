"""What a network says: its outputs become calibrated probabilities, and numbers in the table's unit.

Shape legend: B images, O outputs of all tasks, side by side in the order of the tasks.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtl.kinds import Kind, all_binary, columns, num_outputs


def per_output(tasks: Sequence[str], kinds: Sequence[Kind], temperatures: Mapping[str, float]) -> list[float]:
    """The temperature of each output, 1 where the task has none.

    Example:
      >>> kinds = Kind("binary"), Kind("classes", ("cat", "dog")), Kind("regression")
      >>> per_output(("smile", "pet", "age"), kinds, {"smile": 2.0, "pet": 3.0})
      [2.0, 3.0, 3.0, 1.0]
    """
    pairs = zip(tasks, kinds, strict=True)
    return [temperatures.get(task, 1.0) for task, kind in pairs for _ in range(num_outputs(kind))]


def output_names(tasks: Sequence[str], kinds: Sequence[Kind]) -> list[str]:
    """What each output is called: the task, or the task and the class.

    Example:
      >>> output_names(("smile", "pet"), (Kind("binary"), Kind("classes", ("cat", "dog"))))
      ['smile', 'pet=cat', 'pet=dog']
    """
    named = zip(tasks, kinds, strict=True)
    return [
        name
        for task, kind in named
        for name in ([f"{task}={each}" for each in kind.classes] if kind.name == "classes" else [task])
    ]


def say(kinds: Sequence[Kind], logits_BO: Tensor, temperatures_O: Tensor) -> Tensor:
    """Outputs as they are meant: sigmoid(z / T), softmax(z / T) over the classes of a task, mean + std z of a number.

    Args:
      kinds: of the tasks.
      logits_BO: float, z.
      temperatures_O: T, of `per_output`.

    Returns:
      [B, O] float.

    Example:
      >>> kinds = Kind("binary"), Kind("classes", ("cat", "dog")), Kind("regression", mean=40.0, std=10.0)
      >>> say(kinds, torch.tensor([[0.0, 1.0, 1.0, -2.0]]), torch.ones(4))
      tensor([[ 0.5000,  0.5000,  0.5000, 20.0000]])
    """
    cooled_BO = logits_BO / temperatures_O
    if all_binary(kinds):
        return torch.sigmoid(cooled_BO)
    return torch.cat([_say(kind, cooled_BO[:, of]) for kind, of in zip(kinds, columns(kinds), strict=True)], dim=1)


def _say(kind: Kind, cooled_BO: Tensor) -> Tensor:
    if kind.name == "regression":
        return kind.mean + kind.std * cooled_BO
    return torch.softmax(cooled_BO, dim=1) if kind.name == "classes" else torch.sigmoid(cooled_BO)
