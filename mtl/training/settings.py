"""What one run is told: typed values, read from the configuration by mtl/config.py."""

from typing import Any, NamedTuple

from mtl import dst
from mtl.data.load import DataSettings
from mtl.training.sourcing import Sourcing


class ModelSettings(NamedTuple):
    """`config.model`."""

    backbone: str
    weights: str
    width: float
    taps: tuple[str, ...]
    head: str
    hidden: int


class TrainSettings(NamedTuple):
    """`config.train`."""

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: str
    warmup_epochs: float
    precision: str
    compile: str
    device: str
    log_every: int
    checkpoint_seconds: float


class DroppingSettings(NamedTuple):
    """How tasks are dropped: `config.dst`, and the scheme that the method names.

    Attributes:
      scheme: one of `gating.DROPPING`; None for a run that drops nothing.
      weights: the lambdas that the scheme uses.
      per_step: gates are drawn anew in each step, not in each epoch.
      running: V is the last epoch's mean loss; else it is measured on fixed training images.
      probe_images: how many.
      only_positives: c_t counts positives alone, not all annotated samples.
    """

    scheme: str | None
    weights: dst.Weights
    beta: float
    per_step: bool
    running: bool
    probe_images: int
    only_positives: bool


class RunSettings(NamedTuple):
    """All of one run.

    Attributes:
      name: of its folder: its variant's, or its method's.
      method: what trains it.
      balancing: the balancing method's name, "joint" for a plain sum; `options` are its.
      raw: the configuration as it goes into config.json.
    """

    name: str
    seed: int
    method: str
    balancing: str
    options: dict[str, Any]
    data: DataSettings
    model: ModelSettings
    train: TrainSettings
    dropping: DroppingSettings
    sourcing: Sourcing
    raw: dict[str, Any]


class StudySettings(NamedTuple):
    """A study: its runs, in the order in which they are trained, and its configuration as it goes into config.json."""

    runs: list[RunSettings]
    raw: dict[str, Any]
