"""Which source of gradients each training step has: the features, the parameters, or what was measured there before."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from mtl.batch import Batch
from mtl.errors import UserError
from mtl.gradients import sources
from mtl.gradients.levels import find_level, make_source
from mtl.gradients.parameters import choose_probes
from mtl.gradients.sources import Gates, Source
from mtl.methods.base import AnyMethod
from mtl.models.model import Model, Params
from mtl.models.probes import Tensors
from mtl.state import TrainState
from mtl.training.step import Metrics

Step = Callable[[TrainState, Batch, Gates], tuple[TrainState, Metrics]]
# (state, batch, gates, number of open gates, number of the batch in its epoch) -> (state, metrics)
SourcedStep = Callable[[TrainState, Batch, Gates, int, int], tuple[TrainState, Metrics]]


class Sourcing(NamedTuple):
    """Where a method gets gradients from.

    Attributes:
      level: "features", "parameters", or "auto": the features, or the parameters for a method that is nothing without.
      every: steps from one measurement at the parameters to the next.
      fraction: share of the batch that is measured there.
    """

    level: str = "auto"
    every: int = 1
    fraction: float = 1.0


def check(sourcing: Sourcing, method: AnyMethod, gates_per_step: bool) -> None:
    """Refuses values that are out of range, or do not go with each other.

    Raises:
      UserError: for such a value.
    """
    level, every, fraction = sourcing
    if find_level(level, method) == "features":
        return
    if every < 1:
        raise UserError(f"every is {every}; give a number of steps from 1 up", "every")
    if not 0.0 < fraction <= 1.0:
        raise UserError(f"fraction is {fraction}; give a share of the batch above 0, at most 1", "fraction")
    if "gradients" in method.looks_at and (every > 1 or fraction < 1.0):
        raise UserError(
            "this method changes the gradients themselves: leave every and fraction at 1",
            "every" if every > 1 else "fraction",
        )
    if gates_per_step and every > 1:
        raise UserError("gates that are drawn per step open tasks that were not looked at: leave every at 1", "every")


def make_sourced_step(
    model: Model,
    method: AnyMethod,
    sourcing: Sourcing,
    params: Params,
    buffers: Tensors,
    inputs_shape: tuple[int, ...],
    make_step: Callable[[Source], Step],
) -> SourcedStep:
    """Makes the function that takes a step with the right source; each step that is needed is made once.

    Args:
      sourcing: which `check` has passed.
      params, buffers: of the network, on its device.
      inputs_shape: [B, ...] of what the trunk reads in every step.
      make_step: source -> training step.

    Raises:
      UserError: if `sourcing.fraction` leaves fewer than 2 examples, or nothing of the trunk is trained.
    """
    if find_level(sourcing.level, method) == "features":
        only = make_step(make_source(model, method, "features"))
        return lambda state, batch, gates, num_open, number: only(state, batch, gates)

    if not params.trunk:
        raise UserError(
            "all of the trunk is frozen, so no task has a gradient at its parameters: freeze less", "freeze"
        )
    num_examples = round(sourcing.fraction * inputs_shape[0])
    if num_examples < 2:
        raise UserError(
            f"fraction is {sourcing.fraction}, which leaves {num_examples} of {inputs_shape[0]} images; "
            "give one that leaves at least 2, or BatchNorm has nothing to average",
            "fraction",
        )

    @cache
    def step_of(num_open: int) -> Step:
        if num_open == 0:
            return make_step(sources.remembered(model))
        if "gradients" in method.looks_at:
            return make_step(sources.gradients_at_parameters(model, num_open))
        halves = "halves" in method.looks_at
        num_rows = 2 * num_open if halves else num_open
        probes = choose_probes(model, params, buffers, (num_examples, *inputs_shape[1:]), num_rows)
        if num_examples < inputs_shape[0]:
            return make_step(sources.at_parameters_of_first(model, probes, num_open, num_examples, halves))
        return make_step(sources.at_parameters(model, probes, num_open, halves))

    def take(state: TrainState, batch: Batch, gates: Gates, num_open: int, number: int) -> tuple[TrainState, Metrics]:
        return step_of(num_open if number % sourcing.every == 0 else 0)(state, batch, gates)

    return take
