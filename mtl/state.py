"""All that training changes, and nothing else: what a run needs to go on, beside its position in the data."""

from typing import Any, NamedTuple

from torch import Tensor

from mtl.models.model import Params
from mtl.optim import OptimizerState


class InnerProducts(NamedTuple):
    """Inner products of the tasks' gradients, [K, K].

    Attributes:
      gramian_KK: M_ij = <g_i, g_j>; its diagonal holds squared norms.
      halves_KK: <g_i, g'_j>, of the gradients on the batch's first half with those on its second; 0 if not measured.
    """

    gramian_KK: Tensor
    halves_KK: Tensor


class OptimizerStates(NamedTuple):
    """`trunk`: one state; `heads`: group -> a state whose every leaf, its count too, has a leading task axis."""

    trunk: OptimizerState
    heads: dict[str, OptimizerState]


class TrainState(NamedTuple):
    """All that training changes.

    Attributes:
      params: of trunk and heads.
      buffers: BatchNorm's running statistics.
      optimizer: see `OptimizerStates`.
      method: of the balancing method; an empty tuple for equal weights.
      products: inner products of the tasks' gradients that the method looked at last.
      step: int64 scalar, training steps so far.
    """

    params: Params
    buffers: dict[str, Tensor]
    optimizer: OptimizerStates
    method: Any
    products: InnerProducts
    step: Tensor
