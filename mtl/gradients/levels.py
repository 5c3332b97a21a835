"""At which level a method looks at gradients, and the source that shows it them there."""

from mtl.errors import UserError, check_choice
from mtl.gradients import sources
from mtl.gradients.sources import Source
from mtl.methods.base import AnyMethod
from mtl.models.model import Model

LEVELS = ("auto", "features", "parameters")


def find_level(wanted: str, method: AnyMethod) -> str:
    """Where the method looks at gradients: "features" or "parameters".

    Args:
      wanted: "features", "parameters", or "auto": the features, or the parameters for a method that is nothing without.

    Raises:
      UserError: for an unknown level, or the features for a method that keeps gradients from step to step.

    Example:
      >>> from mtl.methods.upgrad import upgrad
      >>> find_level("auto", upgrad())
      'features'
    """
    check_choice("level", wanted, LEVELS)
    if wanted == "features" and not method.at_features:
        raise UserError(
            "this method keeps gradients from step to step, and at the features each step has other examples: "
            "choose the level parameters or auto",
            "level",
        )
    return "features" if method.at_features and wanted != "parameters" else "parameters"


def make_source(model: Model, method: AnyMethod, level: str = "auto") -> Source:
    """The source that shows a method all that it looks at, in every step, whichever gates are shut.

    At the parameters every task is pulled back, a dropped one as 0, and each gradient is kept whole; the functions of
    `mtl.gradients.sources` do less for less.

    Args:
      level: see `find_level`.

    Raises:
      UserError: as `find_level`.

    Example:
      >>> import torch
      >>> from mtl.losses import binary
      >>> from mtl.methods.upgrad import upgrad
      >>> from mtl.models.backbones import from_module
      >>> from mtl.models.model import make_model
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, _, _ = make_model(trunk, {"smile": binary(), "hat": binary()})
      >>> make_source(model, upgrad(), "parameters").level
      'parameters'
    """
    num_tasks, on_gradients = len(model.tasks), "gradients" in method.looks_at
    if find_level(level, method) == "features":
        return sources.gradients_at_features(model) if on_gradients else sources.at_features(model)
    if on_gradients:
        return sources.gradients_at_parameters(model, num_tasks)
    return sources.at_parameters(model, {}, num_tasks, "halves" in method.looks_at)
