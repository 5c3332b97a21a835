"""Balancing methods, one per file, each a pair (init, update): losses in, a weight for each task's gradient out.

Dropping comes first: a method weighs what the gates leave on.
"""

from collections.abc import Callable
from typing import Any

from mtl.methods import equal, uncertainty
from mtl.methods.interface import Method

# Methods that weigh; every other name of run.METHODS weighs all tasks equally.
METHODS: dict[str, Callable[[], Method[Any]]] = {"uncertainty": uncertainty.uncertainty}


def make_method(name: str) -> Method[Any]:
    """The balancing method of that name; equal weights for a name that does not weigh."""
    return METHODS.get(name, equal.equal)()
