"""Options of methods, checked: one sentence for a value out of range, an unknown option and an unknown choice.

Ranges are written as intervals, "[0, 1)", and read from that text, so that the sentence says what is checked. A number
counts as the float32 that the step computes with: what is infinite or 0 there is infinite or 0 here.
"""

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from mtl.errors import UserError, check_choice, closest, shown


def check_number(option: str, value: Any, interval: str) -> float:
    """The value as a float; refuses what is not a finite number in the interval.

    Args:
      option: "method.option", or "method.option[place]".
      value: as the user gave it.
      interval: such as "[0, 1)" or "(0, inf)".

    Raises:
      UserError: with the option, its value and the interval.

    Example:
      >>> check_number("gradnorm.alpha", 2, "[0, inf)")
      2.0
    """
    if not (_is_number(value) and _lies_in(_as_float32(value), interval)):
        argument = option.partition("[")[0]
        raise UserError(f"{option} is {shown(value)}; choose a finite number in {interval}", argument)
    return float(value)


def check_count(option: str, value: Any, interval: str) -> None:
    """Refuses what is not a whole number in the interval; arguments as `check_number`'s.

    Raises:
      UserError: with the option, its value and the interval.

    Example:
      >>> check_count("krum.num_kept", 2, "[1, inf)")  # says nothing
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not _lies_in(value, interval):
        raise UserError(f"{option} is {shown(value)}; choose a whole number in {interval}", option)


def is_as_coded(option: str, value: Any) -> bool:
    """Whether a method's direction is as long as its authors' code makes it ("code"), not its formula ("paper").

    Raises:
      UserError: for anything else.

    Example:
      >>> is_as_coded("cagrad.scale", "paper")
      False
    """
    check_choice(option, value, ("paper", "code"))
    return bool(value == "code")


def check_weights(option: str, values: Any) -> tuple[float, ...]:
    """The values as floats; refuses all but (), and finite numbers of at least 0 of which one is above it.

    Raises:
      UserError: with the option and its value.

    Example:
      >>> check_weights("constant.weights", [1, 0.5])
      (1.0, 0.5)
    """
    if not isinstance(values, tuple | list):
        raise UserError(f"{option} is {shown(values)}; choose a tuple of numbers, one for each task, or ()", option)
    weights = tuple(check_number(f"{option}[{place}]", value, "[0, inf)") for place, value in enumerate(values))
    if weights and not any(map(_as_float32, weights)):
        raise UserError(f"{option} is {shown(values)}; choose at least one above 0, or nothing is trained", option)
    return weights


def given_weights(option: str, weights: tuple[float, ...], num_tasks: int, device: torch.device) -> Tensor:
    """What `check_weights` gave, as [K] float32; all 1 for ().

    Raises:
      UserError: unless there is one for each task.

    Example:
      >>> given_weights("constant.weights", (), 2, torch.device("cpu"))
      tensor([1., 1.])
    """
    if weights and len(weights) != num_tasks:
        raise UserError(f"{option} has {len(weights)} numbers; give one for each of the {num_tasks} tasks", option)
    return torch.tensor(weights or num_tasks * (1.0,), dtype=torch.float32, device=device)


def check_names(method: str, names: Collection[str], options: Mapping[str, Any]) -> None:
    """Refuses options that are none of the method's.

    Raises:
      UserError: with those that it has.

    Example:
      >>> check_names("cagrad", ["c"], {"c": 0.2})  # says nothing
    """
    for name in options:
        if not names:
            raise UserError(f"{method}.{name} is no option: {method} has none")
        if name not in names:
            raise UserError(f"{method}.{name} is no option of {method}, {closest(name, names)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _as_float32(value: Any) -> float:
    try:
        return torch.tensor(float(value), dtype=torch.float32).item()
    except OverflowError:  # of a whole number that no float can hold
        return math.inf


def _lies_in(value: Any, interval: str) -> bool:
    low, high = map(float, interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    return bool(above and below)
