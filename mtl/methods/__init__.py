"""Balancing methods, one per file, each a pair (init, update): what a step knows of the tasks in, their weights out.

Dropping comes first: a method weighs what the gates leave on. To add one, write its file and add the file's name to
`NAMES`. The file begins with the method's name, a colon and what it is in a line, then its source; its function of the
same name has the options as arguments. Configuration, table (`python -m mtl.methods.table > mtl/methods/README.md`),
the report's names and the general tests follow from it.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mtl.errors import UserError, closest
from mtl.methods.base import Look, Method
from mtl.methods.equal import equal
from mtl.methods.shared.options import check_choice, check_names

NAMES = (
    "uncertainty",
    "boundary_intersection",
    "coefficient_of_variation",
    "constant",
    "cosmos",
    "dynamic_task_prioritization",
    "dynamic_weight_average",
    "famo",
    "geometric",
    "go4align",
    "impartial_losses",
    "ldc",
    "loss_balanced",
    "random_weighting",
    "scale_invariant",
    "smooth_tchebycheff",
    "soft_uncertainty",
    "aligned_mtl",
    "cagrad",
    "conflict_free",
    "cr_mogm",
    "dual_proj",
    "fairgrad",
    "gradnorm",
    "gradvac",
    "impartial",
    "imtl_g",
    "krum",
    "mgda",
    "nash_mtl",
    "pcgrad",
    "primary",
    "upgrad",
    "auto_lambda",
    "modo",
    "moml",
    "sdmgrad",
    "db_mtl",
    "excess_mtl",
    "graddrop",
    "moco",
    "trimmed_mean",
)


def load(name: str) -> Callable[..., Method[Any]]:
    """The function of that name in the file of that name."""
    factory: Callable[..., Method[Any]] = getattr(import_module(f"{__name__}.{name}"), name)
    return factory


METHODS = {name: load(name) for name in NAMES}
globals().update(METHODS)  # so that `mtl.methods.upgrad()` makes the method: an import leaves the file there


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
    check_names(name, factories[name], options)
    defaults = _defaults(factories[name])
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


def _defaults(factory: Callable[..., Method[Any]]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(factory).parameters.items()}
