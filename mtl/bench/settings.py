"""What the job is told, and how much is measured."""

from pathlib import Path
from typing import NamedTuple

import torch

from mtl.data.load import DataSettings
from mtl.training.settings import RunSettings

PARTS = ("a", "b", "c", "d", "e")
FORMS = ("short", "full")


class Effort(NamedTuple):
    """How often contestants take turns.

    Attributes:
      num_warmup: steps that each takes before; they are timed apart.
      min_rounds: at least so many.
      seconds: further ones begin for so long.
    """

    num_warmup: int = 2
    min_rounds: int = 3
    seconds: float = 0.0


class BenchSettings(NamedTuple):
    """`config.bench`, and what of the rest of the configuration it needs.

    Attributes:
      parts: of `PARTS`, which are measured.
      form: "short" ends within 15 minutes on two cores, "full" takes hours.
      folder: where results are written.
      data: the images of parts c and d, and their attributes.
      device: what is measured.
      recipe: what part d trains against the textbook; its data are replaced by `data`.
    """

    parts: tuple[str, ...]
    form: str
    folder: Path
    data: DataSettings
    device: torch.device
    recipe: RunSettings
