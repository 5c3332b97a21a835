"""What fields may not hold together, though each holds what it may: seen before anything is opened or written."""

import torch

from mtl import methods
from mtl.data.hide import parse_share
from mtl.data.load import ALL, TABULAR, DataSettings
from mtl.data.table import refuse_twice
from mtl.data.tables.entries import parse_entries
from mtl.errors import UserError
from mtl.methods.base import first_state
from mtl.models.heads import parse_taps
from mtl.record import tensorboard
from mtl.training import sourcing
from mtl.training.settings import RunSettings


def check_run(settings: RunSettings) -> None:
    """Refuses a run whose settings do not go together.

    Raises:
      UserError: with those that do not.
    """
    method = methods.make_method(settings.balancing, settings.options)
    sourcing.check(settings.sourcing, method, settings.dropping.scheme is not None and settings.dropping.per_step)
    if settings.method == "single_task" and settings.sourcing.level == "parameters":
        raise UserError("single-task networks share no parameters: leave gradients.level at auto")
    if settings.train.tensorboard:
        tensorboard.check_installed()
    if tasks := _known_tasks(settings.data):
        parse_taps(settings.model.taps, tasks, deepest="layer4")
        first_state(method, len(tasks), torch.device("meta"), num_coordinates=1)


def check_data(data: DataSettings) -> None:
    """Refuses data whose settings do not go together.

    Raises:
      UserError: with those that do not.
    """
    if data.max_shift >= data.image_size:
        raise UserError(
            f"data.max_shift is {data.max_shift} and data.image_size {data.image_size}, so nothing of an image may "
            "be left: choose a smaller shift"
        )
    if data.name not in TABULAR and not data.attributes:
        raise UserError("data.attributes is empty; name at least one, or all")
    if data.attributes:
        refuse_twice(data.attributes, "attributes", "attributes")
    if tasks := _known_tasks(data):
        for entry in data.label_fractions:
            parse_share(entry, tasks)


def _known_tasks(data: DataSettings) -> tuple[str, ...]:
    """The tasks, as far as the configuration says which there are; () where the files do."""
    if data.tasks or data.name in TABULAR:
        return tuple(entry.name for entry in parse_entries(data.tasks))
    return () if data.attributes == ALL else data.attributes
