"""Balancing methods, one per file, each a pair (init, update): what a step knows of the tasks in, their weights out.

Dropping comes first: a method weighs what the gates leave on. To add one, write its file and name it here, and give
its options, if it has any, a place in configs/default.py.
"""

from collections.abc import Callable
from typing import Any

from mtl.methods.coefficient_of_variation import coefficient_of_variation
from mtl.methods.dynamic_task_prioritization import dynamic_task_prioritization
from mtl.methods.dynamic_weight_average import dynamic_weight_average
from mtl.methods.equal import equal
from mtl.methods.famo import famo
from mtl.methods.geometric import geometric
from mtl.methods.go4align import go4align
from mtl.methods.impartial_losses import impartial_losses
from mtl.methods.interface import Method
from mtl.methods.ldc import ldc
from mtl.methods.loss_balanced import loss_balanced
from mtl.methods.random_weighting import random_weighting
from mtl.methods.scale_invariant import scale_invariant
from mtl.methods.smooth_tchebycheff import smooth_tchebycheff
from mtl.methods.soft_uncertainty import soft_uncertainty
from mtl.methods.uncertainty import uncertainty

FACTORIES: tuple[Callable[..., Method[Any]], ...] = (
    uncertainty,
    coefficient_of_variation,
    dynamic_task_prioritization,
    dynamic_weight_average,
    famo,
    geometric,
    go4align,
    impartial_losses,
    ldc,
    loss_balanced,
    random_weighting,
    scale_invariant,
    smooth_tchebycheff,
    soft_uncertainty,
)
METHODS = {factory.__name__: factory for factory in FACTORIES}


def make_method(name: str, options: dict[str, Any]) -> Method[Any]:
    """The balancing method of that name with its options; equal weights for a name that is none of `METHODS`."""
    return METHODS.get(name, equal)(**options)
