"""`config.train`: how long, on which sizes, and what a label costs."""

import re

from ml_collections import ConfigDict

from mtl.config.fields import split_names
from mtl.errors import UserError
from mtl.training.settings import TrainSettings
from mtl.training.tasks import LossSettings

SIZE = re.compile(r"(\d{1,6})=(\d{1,6})")


def read_train(config: ConfigDict) -> TrainSettings:
    """`config.train` with names split at commas, the size of each epoch's images, and the losses by themselves.

    Raises:
      UserError: for a size that is none.
    """
    given = config.train.to_dict()
    losses = LossSettings(**{field: given.pop(field) for field in LossSettings._fields})
    names = {field: split_names(given[field]) for field in ("freeze", "learning_rates")}
    return TrainSettings(**{**given, **names, "sizes": _read_sizes(config), "losses": losses})


def _read_sizes(config: ConfigDict) -> tuple[int, ...]:
    """The size of each epoch's images, pixels."""
    image_size, entries = config.data.image_size, split_names(config.train.sizes)
    if not entries:
        return (image_size,) * config.train.epochs
    parts = [SIZE.fullmatch(entry) for entry in entries]
    sizes = [(int(part[1]), int(part[2])) for part in parts if part]
    all_fit = all(0 < size <= image_size for size, _ in sizes)
    if not all(parts) or sum(number for _, number in sizes) != config.train.epochs or not all_fit:
        raise UserError(
            f"train.sizes is {entries}; give pixels=epochs, of at most data.image_size ({image_size}) pixels and of "
            f"train.epochs ({config.train.epochs}) epochs together, as in ('32=3','64=1')"
        )
    return tuple(size for size, number in sizes for _ in range(number))
