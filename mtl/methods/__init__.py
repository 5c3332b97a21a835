"""Balancing methods, one per file, each a pair (init, update): what a step knows of the tasks in, their weights out.

Dropping comes first: a method weighs what the gates leave on. To add one, write its file and name it here, and give
its options, if it has any, a place in configs/default.py.
"""

from collections.abc import Callable
from typing import Any

from mtl.closest import closest
from mtl.errors import UserError
from mtl.methods import cr_mogm as smoothing
from mtl.methods.aligned_mtl import aligned_mtl
from mtl.methods.auto_lambda import auto_lambda
from mtl.methods.boundary_intersection import boundary_intersection
from mtl.methods.cagrad import cagrad
from mtl.methods.coefficient_of_variation import coefficient_of_variation
from mtl.methods.conflict_free import conflict_free
from mtl.methods.constant import constant
from mtl.methods.cosmos import cosmos
from mtl.methods.db_mtl import db_mtl
from mtl.methods.dual_proj import dual_proj
from mtl.methods.dynamic_task_prioritization import dynamic_task_prioritization
from mtl.methods.dynamic_weight_average import dynamic_weight_average
from mtl.methods.equal import equal
from mtl.methods.excess_mtl import excess_mtl
from mtl.methods.fairgrad import fairgrad
from mtl.methods.famo import famo
from mtl.methods.geometric import geometric
from mtl.methods.go4align import go4align
from mtl.methods.graddrop import graddrop
from mtl.methods.gradnorm import gradnorm
from mtl.methods.gradvac import gradvac
from mtl.methods.impartial import impartial
from mtl.methods.impartial_losses import impartial_losses
from mtl.methods.imtl_g import imtl_g
from mtl.methods.interface import AnyMethod, GradientMethod, Method
from mtl.methods.krum import krum
from mtl.methods.ldc import ldc
from mtl.methods.loss_balanced import loss_balanced
from mtl.methods.mgda import mgda
from mtl.methods.moco import moco
from mtl.methods.modo import modo
from mtl.methods.moml import moml
from mtl.methods.nash_mtl import nash_mtl
from mtl.methods.options import check_choice, check_names
from mtl.methods.pcgrad import pcgrad
from mtl.methods.primary import primary
from mtl.methods.random_weighting import random_weighting
from mtl.methods.scale_invariant import scale_invariant
from mtl.methods.sdmgrad import sdmgrad
from mtl.methods.smooth_tchebycheff import smooth_tchebycheff
from mtl.methods.soft_uncertainty import soft_uncertainty
from mtl.methods.trimmed_mean import trimmed_mean
from mtl.methods.uncertainty import uncertainty
from mtl.methods.upgrad import upgrad


def cr_mogm(inner: str = "mgda", alpha: float = 0.9) -> Method[Any]:
    """CR-MOGM around the method of that name, which has its default options."""
    check_choice("cr_mogm.inner", inner, WEIGHTINGS)
    return smoothing.cr_mogm(WEIGHTINGS[inner](), alpha)


LOSS_METHODS: tuple[Callable[..., Method[Any]], ...] = (
    uncertainty,
    boundary_intersection,
    coefficient_of_variation,
    constant,
    cosmos,
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
GRAMIAN_METHODS: tuple[Callable[..., Method[Any]], ...] = (
    aligned_mtl,
    cagrad,
    conflict_free,
    cr_mogm,
    dual_proj,
    fairgrad,
    gradnorm,
    gradvac,
    impartial,
    imtl_g,
    krum,
    mgda,
    nash_mtl,
    pcgrad,
    primary,
    upgrad,
)
HALVES_METHODS: tuple[Callable[..., Method[Any]], ...] = (auto_lambda, modo, moml, sdmgrad)
GRADIENT_METHODS: tuple[Callable[..., GradientMethod[Any]], ...] = (db_mtl, excess_mtl, graddrop, moco, trimmed_mean)
WEIGHTINGS = {factory.__name__: factory for factory in (*LOSS_METHODS, *GRAMIAN_METHODS, *HALVES_METHODS)}
LOOKING_AT_GRADIENTS = tuple(factory.__name__ for factory in (*GRAMIAN_METHODS, *HALVES_METHODS, *GRADIENT_METHODS))
METHODS: dict[str, Callable[..., AnyMethod]] = {
    **WEIGHTINGS,
    **{factory.__name__: factory for factory in GRADIENT_METHODS},
}


def make_method(name: str, options: dict[str, Any]) -> AnyMethod:
    """The balancing method of that name with its options; "joint" is the plain sum of the losses.

    Raises:
      UserError: for a name that is neither, an option that the method does not have, or a value that it does not take.

    Example:
      >>> make_method("cagrad", {"c": 0.2}).needs_halves
      False
    """
    factories = {"joint": equal} | METHODS
    if name not in factories:
        raise UserError(f"the balancing method is {name!r}, {closest(name, factories)}")
    check_names(name, factories[name], options)
    return factories[name](**options)
