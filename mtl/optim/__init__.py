"""Functional optimizers and learning-rate schedules."""

from mtl.errors import check_choice
from mtl.optim.adamw import adamw as adamw
from mtl.optim.optimizer import Optimizer as Optimizer
from mtl.optim.optimizer import OptimizerState as OptimizerState
from mtl.optim.rates import parse_rates as parse_rates
from mtl.optim.rates import scale_rates as scale_rates
from mtl.optim.schedule import SCHEDULES as SCHEDULES
from mtl.optim.schedule import Schedule as Schedule
from mtl.optim.schedule import make_schedule as make_schedule
from mtl.optim.sgd import sgd as sgd

OPTIMIZERS = ("adamw", "sgd")


def make_optimizer(name: str, momentum: float, weight_decay: float) -> Optimizer:
    """Makes "adamw" or "sgd"; `momentum` is SGD's.

    Example:
      >>> import torch
      >>> list(make_optimizer("adamw", 0.9, 0.01).init({"w": torch.zeros(2)}).moments)
      ['first', 'second']
    """
    check_choice("optimizer", name, OPTIMIZERS)
    return adamw(weight_decay=weight_decay) if name == "adamw" else sgd(momentum=momentum, weight_decay=weight_decay)
