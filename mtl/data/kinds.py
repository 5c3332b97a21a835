"""What a column's labels are."""

from typing import NamedTuple


class Kind(NamedTuple):
    """What a column's labels are: see the attributes."""

    name: str  # "binary", "classes" or "regression"
    classes: tuple[str, ...] = ()  # names: of binary absent and present where the table names them; of classes 0..C-1
    mean: float = 0.0  # of regression: of the training split, in the table's unit
    std: float = 1.0  # likewise; the network learns (y - mean) / std


BINARY = Kind("binary")
