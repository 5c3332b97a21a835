"""Balancing methods, one per file, each a pair (init, update): what a step knows of the tasks in, their weights out.

Dropping comes first: a method weighs what the gates leave on. To add one, write its file and import its function
here, which is all that the registry is. The file begins with the method's name, a colon and what it is in a line, then
its source; its function of the same name has the options as arguments. Configuration, table (`python -m
mtl.methods.table > mtl/methods/README.md`), the report's names and the general tests follow from it.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mtl.errors import UserError, check_choice, closest
from mtl.methods.aligned_mtl import aligned_mtl as aligned_mtl
from mtl.methods.auto_lambda import auto_lambda as auto_lambda
from mtl.methods.auxinash import auxinash as auxinash
from mtl.methods.base import Look, Method
from mtl.methods.boundary_intersection import boundary_intersection as boundary_intersection
from mtl.methods.cagrad import cagrad as cagrad
from mtl.methods.coefficient_of_variation import coefficient_of_variation as coefficient_of_variation
from mtl.methods.conflict_free import conflict_free as conflict_free
from mtl.methods.constant import constant as constant
from mtl.methods.cosmos import cosmos as cosmos
from mtl.methods.cr_mogm import cr_mogm as cr_mogm
from mtl.methods.db_mtl import db_mtl as db_mtl
from mtl.methods.dual_proj import dual_proj as dual_proj
from mtl.methods.dynamic_task_prioritization import dynamic_task_prioritization as dynamic_task_prioritization
from mtl.methods.dynamic_weight_average import dynamic_weight_average as dynamic_weight_average
from mtl.methods.equal import equal as equal
from mtl.methods.excess_mtl import excess_mtl as excess_mtl
from mtl.methods.fairgrad import fairgrad as fairgrad
from mtl.methods.famo import famo as famo
from mtl.methods.geometric import geometric as geometric
from mtl.methods.go4align import go4align as go4align
from mtl.methods.graddrop import graddrop as graddrop
from mtl.methods.gradient_norm_scaling import gradient_norm_scaling as gradient_norm_scaling
from mtl.methods.gradnorm import gradnorm as gradnorm
from mtl.methods.gradvac import gradvac as gradvac
from mtl.methods.group_dro import group_dro as group_dro
from mtl.methods.imgrad import imgrad as imgrad
from mtl.methods.impartial import impartial as impartial
from mtl.methods.impartial_losses import impartial_losses as impartial_losses
from mtl.methods.improvable_gap import improvable_gap as improvable_gap
from mtl.methods.imtl_g import imtl_g as imtl_g
from mtl.methods.krum import krum as krum
from mtl.methods.ldc import ldc as ldc
from mtl.methods.log_losses import log_losses as log_losses
from mtl.methods.loss_balanced import loss_balanced as loss_balanced
from mtl.methods.mgda import mgda as mgda
from mtl.methods.moco import moco as moco
from mtl.methods.modo import modo as modo
from mtl.methods.moml import moml as moml
from mtl.methods.nash_mtl import nash_mtl as nash_mtl
from mtl.methods.pcgrad import pcgrad as pcgrad
from mtl.methods.primary import primary as primary
from mtl.methods.random_weighting import random_weighting as random_weighting
from mtl.methods.sam_gs import sam_gs as sam_gs
from mtl.methods.scale_invariant import scale_invariant as scale_invariant
from mtl.methods.sdmgrad import sdmgrad as sdmgrad
from mtl.methods.shared.options import check_names
from mtl.methods.smooth_tchebycheff import smooth_tchebycheff as smooth_tchebycheff
from mtl.methods.soft_uncertainty import soft_uncertainty as soft_uncertainty
from mtl.methods.trimmed_mean import trimmed_mean as trimmed_mean
from mtl.methods.uncertainty import uncertainty as uncertainty
from mtl.methods.upgrad import upgrad as upgrad

Factory = Callable[..., Method[Any]]


def find_methods(names: Mapping[str, Any]) -> dict[str, Factory]:
    """Those of some names that are methods: functions called as their file in this folder. `equal` is "joint".

    Example:
      >>> list(find_methods({"cagrad": cagrad, "equal": equal, "UserError": UserError}))
      ['cagrad']
    """
    own = {name for name, value in names.items() if getattr(value, "__module__", "") == f"{__name__}.{name}"}
    return {name: names[name] for name in sorted(own - {equal.__name__})}


METHODS = find_methods(globals())


def make_method(name: str, options: dict[str, Any]) -> Method[Any]:
    """The balancing method of that name with its options; "joint" is the plain sum of the losses.

    An option that is itself a method, as CR-MOGM's `inner`, is given by its name.

    Raises:
      UserError: for a name that is neither, an option that the method does not have, or a value that it does not take.

    Example:
      >>> make_method("cagrad", {"c": 0.2}).looks_at
      ('gramian',)
    """
    factories = {"joint": equal} | METHODS
    if name not in factories:
        raise UserError(f"the balancing method is {name!r}, {closest(name, factories)}")
    defaults = _defaults(factories[name])
    check_names(name, defaults, options)
    given = dict(options)
    for option in options:
        if callable(defaults[option]):
            check_choice(f"{name}.{option}", options[option], METHODS)
            given[option] = METHODS[options[option]]
    return factories[name](**given)


def default_options() -> dict[str, dict[str, Any]]:
    """Method -> option -> its default, a plain value; of the methods that have options, in alphabetical order.

    Example:
      >>> default_options()["cr_mogm"]
      {'inner': 'mgda', 'alpha': 0.9}
    """
    of_all = {name: _defaults(METHODS[name]) for name in sorted(METHODS)}
    return {
        name: {option: value.__name__ if callable(value) else value for option, value in defaults.items()}
        for name, defaults in of_all.items()
        if defaults
    }


def looking_at(*what: Look) -> tuple[str, ...]:
    """Names of the methods that look at any of these, with their default options.

    Example:
      >>> looking_at("halves")
      ('auto_lambda', 'modo', 'moml', 'sdmgrad')
    """
    return tuple(name for name, factory in METHODS.items() if {*what} & {*factory().looks_at})


@cache
def _defaults(factory: Factory) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(factory).parameters.items()}
