"""`config.train`: how long, on which sizes, and what a label costs."""

import re

from ml_collections import ConfigDict

from mtl.config.fields import split_names
from mtl.errors import UserError
from mtl.training.settings import TrainSettings
from mtl.training.tasks import LossSettings, check_losses


def read_train(config: ConfigDict) -> TrainSettings:
    """`config.train` with names split at commas, the size of each epoch's images, and the losses by themselves.

    Raises:
      UserError: for a size or a loss that is none.
    """
    given = config.train.to_dict()
    losses = LossSettings(**{field: given.pop(field) for field in LossSettings._fields})
    check_losses(losses)
    names = {field: split_names(given[field]) for field in ("freeze", "learning_rates")}
    return TrainSettings(**{**given, **names, "sizes": _read_sizes(config), "losses": losses})


def _read_sizes(config: ConfigDict) -> tuple[int, ...]:
    """The size of each epoch's images, pixels."""
    image_size, entries = config.data.image_size, split_names(config.train.sizes)
    if not entries:
        return (image_size,) * config.train.epochs
    parts = [re.fullmatch(r"(\d+)=(\d+)", entry) for entry in entries]
    sizes = [int(part[1]) for part in parts if part for _ in range(int(part[2]))]
    if not all(parts) or len(sizes) != config.train.epochs or not all(0 < size <= image_size for size in sizes):
        raise UserError(
            f"train.sizes is {entries}; give pixels=epochs, of at most data.image_size ({image_size}) pixels and of "
            f"train.epochs ({config.train.epochs}) epochs together, as in ('32=3','64=1')"
        )
    return tuple(sizes)
