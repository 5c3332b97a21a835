"""Which look at the gradients each training step takes, as the configuration has it."""

from collections.abc import Callable
from functools import cache

from ml_collections import ConfigDict

from mtl.data.batches import Batch
from mtl.errors import UserError
from mtl.gradients import looks
from mtl.gradients.direction import Gates, Look
from mtl.gradients.parameters import choose_probes
from mtl.methods.interface import AnyMethod, GradientMethod
from mtl.models.model import Model, Params
from mtl.models.probes import Tensors
from mtl.training.step import Metrics, TrainState

Step = Callable[[TrainState, Batch, Gates], tuple[TrainState, Metrics]]
# (state, batch, gates, number of open gates, number of the batch in its epoch) -> (state, metrics)
Stepper = Callable[[TrainState, Batch, Gates, int, int], tuple[TrainState, Metrics]]


def find_level(wanted: str, method: AnyMethod) -> str:
    """Where the method looks at gradients: "features" or "parameters".

    Raises:
      UserError: for an unknown level, or the features for a method that keeps gradients from step to step.
    """
    needs_parameters = isinstance(method, GradientMethod) and not method.at_features
    if wanted not in ("auto", "features", "parameters"):
        raise UserError(f"gradients.level is {wanted!r}; choose auto, features or parameters")
    if wanted == "features" and needs_parameters:
        raise UserError(
            "this method keeps gradients from step to step, and at the features each step has other images: "
            "set gradients.level to parameters or auto"
        )
    return "parameters" if needs_parameters or wanted == "parameters" else "features"


def check(gradients: ConfigDict, method: AnyMethod, gates_per_step: bool) -> None:
    """Checks the fields of `config.gradients`.

    Raises:
      UserError: for a field that is out of range, or does not go with another one.
    """
    if find_level(gradients.level, method) == "features":
        return
    if gradients.every < 1:
        raise UserError(f"gradients.every is {gradients.every}; give a number of steps from 1 up")
    if not 0.0 < gradients.fraction <= 1.0:
        raise UserError(f"gradients.fraction is {gradients.fraction}; give a share of the batch above 0, at most 1")
    if isinstance(method, GradientMethod) and (gradients.every > 1 or gradients.fraction < 1.0):
        raise UserError(
            "this method changes the gradients themselves: leave gradients.every and gradients.fraction at 1"
        )
    if gates_per_step and gradients.every > 1:
        raise UserError("gates that are drawn per step open tasks that were not looked at: leave gradients.every at 1")


def make_stepper(
    model: Model,
    method: AnyMethod,
    gradients: ConfigDict,
    params: Params,
    buffers: Tensors,
    images_shape: tuple[int, ...],
    make_step: Callable[[Look], Step],
) -> Stepper:
    """Makes the function that takes a step with the right look; each step that is needed is made once.

    Args:
      gradients: `config.gradients`, which `check` has passed.
      params, buffers: of the network, on its device.
      images_shape: (B, 3, H, W) of every batch.
      make_step: look -> training step.

    Raises:
      UserError: if `gradients.fraction` leaves fewer than 2 images.
    """
    on_gradients = isinstance(method, GradientMethod)
    if find_level(gradients.level, method) == "features":
        only = make_step(looks.of_gradients_at_features(model) if on_gradients else looks.at_features(model))
        return lambda state, batch, gates, num_open, number: only(state, batch, gates)

    num_images = round(gradients.fraction * images_shape[0])
    if num_images < 2:
        raise UserError(
            f"gradients.fraction is {gradients.fraction}, which leaves {num_images} of {images_shape[0]} images; "
            "give one that leaves at least 2, or BatchNorm has nothing to average"
        )

    @cache
    def step_of(num_open: int) -> Step:
        if num_open == 0:
            return make_step(looks.as_before(model))
        if isinstance(method, GradientMethod):
            return make_step(looks.of_gradients_at_parameters(model, num_open))
        halves = method.needs_halves
        num_rows = 2 * num_open if halves else num_open
        probes = choose_probes(model, params, buffers, (num_images, *images_shape[1:]), num_rows)
        if num_images < images_shape[0]:
            return make_step(looks.at_parameters_of_a_part(model, probes, num_open, num_images, halves))
        return make_step(looks.at_parameters(model, probes, num_open, halves))

    def take(state: TrainState, batch: Batch, gates: Gates, num_open: int, number: int) -> tuple[TrainState, Metrics]:
        return step_of(num_open if number % gradients.every == 0 else 0)(state, batch, gates)

    return take
