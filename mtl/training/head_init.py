"""What the heads' last layers begin with, and so what DST's V_1, the loss before any update, is the loss of.

  random     as torch draws them: V_1 differs from task to task and from seed to seed by how the heads happen to begin
  zero       weights and biases 0: all C classes are as likely, and V_1 is log C; of a number, the mean is guessed
  base_rate  weights 0, biases the log odds of the training split: V_1 is the entropy of the classes' shares

Algorithm 1 stays as it is. The paper does not say how its heads begin; random is what runs always had.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mtl.data.table import SPLITS, Table
from mtl.models.heads import Group, HeadParams
from mtl.training.tasks import num_classes

HEAD_INITS = ("random", "zero", "base_rate")
Biases = dict[str, list[float]]  # task -> one for each output


def find_base_biases(table: Table) -> Biases:
    """Of an output that says no more than how frequent each class is: the logit of a share, or log shares.

    A class that n_c of n labelled training images have counts as (n_c + 1) / (n + C), which is never 0 or 1. Labels of
    a regression have the mean 0, which is its bias.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY, Kind
      >>> labels, split, nobody = np.array([[1, 0], [1, 5], [0, 2]], np.float32), np.zeros(3, np.int8), np.full(3, -1)
      >>> ids, names, kinds = np.array(["1", "2", "3"]), ("smile", "age"), (BINARY, Kind("regression"))
      >>> table = Table(ids, ImageSource(None, ""), labels, labels < 9, split, nobody, names, kinds)
      >>> {task: np.round(biases, 3).tolist() for task, biases in find_base_biases(table).items()}
      {'smile': [0.405], 'age': [0.0]}
    """
    rows, found = table.split == SPLITS.index("train"), {}
    for k, (task, kind) in enumerate(zip(table.attributes, table.kinds, strict=True)):
        if kind.name == "regression":
            found[task] = [0.0]
            continue
        labels_N = table.labels[rows & table.mask[:, k], k].astype(np.int64)
        logs_C = np.log(np.bincount(labels_N, minlength=num_classes(kind)) + 1.0)
        found[task] = [float(logs_C[1] - logs_C[0])] if kind.name == "binary" else (logs_C - logs_C.mean()).tolist()
    return found


def begin_heads(how: str, groups: Mapping[str, Group], heads: HeadParams, base_biases: Biases) -> HeadParams:
    """The heads with their last layers as `how` says; earlier layers stay random, or nothing would be learned there.

    Args:
      how: one of `HEAD_INITS`.
      base_biases: see `find_base_biases`.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Linear(2, 3), None, torch.empty(2, 2))
      >>> model, params, _ = mtl.make_model(trunk, {"smile": mtl.binary(), "hat": mtl.binary()})
      >>> begin_heads("base_rate", model.groups, params.heads, {"smile": [0.0], "hat": [-1.5]})["output"]["bias"]
      tensor([[ 0.0000],
              [-1.5000]])
    """
    if how == "random":
        return heads
    scale = 1.0 if how == "base_rate" else 0.0
    biases = {name: scale * torch.tensor([base_biases[task] for task in group.tasks]) for name, group in groups.items()}
    return {name: _with_last_layer(heads[name], biases_GO) for name, biases_GO in biases.items()}


def _with_last_layer(stacked: dict[str, Tensor], biases_GO: Tensor) -> dict[str, Tensor]:
    *_, weight, bias = stacked  # in the order of the layers
    return {**stacked, weight: torch.zeros_like(stacked[weight]), bias: biases_GO.to(stacked[bias])}
