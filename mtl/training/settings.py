"""What one run is told: typed values, read from the configuration by mtl/config/."""

from typing import Any, NamedTuple

from mtl import dst
from mtl.data.load import DataSettings
from mtl.record.traces import CONTROLS
from mtl.training.sourcing import Sourcing
from mtl.training.tasks import LossSettings

ON_NONFINITE = ("stop", "skip")


class ModelSettings(NamedTuple):
    """`config.model`."""

    backbone: str
    weights: str
    reuse_heads: bool
    width: float
    taps: tuple[str, ...]
    head: str
    hidden: int
    head_init: str


class TrainSettings(NamedTuple):
    """`config.train`."""

    epochs: int
    sizes: tuple[int, ...]  # of each epoch's images, pixels
    batch_size: int
    optimizer: str
    learning_rate: float
    learning_rates: tuple[str, ...]  # group=multiplier of the schedule's rate; groups are the trunk's parts and "heads"
    freeze: tuple[str, ...]  # parts of the trunk that stand still
    momentum: float
    weight_decay: float
    schedule: str
    warmup_epochs: float
    precision: str
    compile: str
    sync_batchnorm: bool
    device: str
    log_every: int
    checkpoint_seconds: float
    on_nonfinite: str
    max_skips: int
    tensorboard: bool
    mirrored: bool
    losses: LossSettings


class DroppingSettings(NamedTuple):
    """How tasks are dropped: `config.dst`, and the scheme that the method names.

    Attributes:
      scheme: one of `gating.DROPPING`; None for a run that drops nothing.
      weights: the lambdas that the scheme uses.
      per_step: gates are drawn anew in each step, not in each epoch.
      running: V is the last epoch's mean loss; else it is measured on fixed training images.
      probe_images: how many.
      only_positives: c_t counts positives alone, not all annotated samples.
      keep_last: in that many last epochs no task is dropped.
      repeats: the name of the run that a control repeats.
      gates_seed: see `gating.own_key`.
    """

    scheme: str | None
    weights: dst.Weights
    beta: float
    per_step: bool
    running: bool
    probe_images: int
    only_positives: bool
    keep_last: int
    repeats: str
    gates_seed: int


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


class RaySettings(NamedTuple):
    """`config.study.ray`: what a run asks of a Ray cluster, and how often it is begun again when its process dies."""

    num_cpus: int
    num_gpus: float
    resources: dict[str, float]
    max_retries: int


class StudySettings(NamedTuple):
    """A study.

    Attributes:
      runs: in the order in which they are trained.
      num_parallel: how many are trained at once on this machine.
      ray: for the launcher of that name.
      raw: the configuration as it goes into config.json.
    """

    runs: list[RunSettings]
    num_parallel: int
    ray: RaySettings
    raw: dict[str, Any]


def needed_run(settings: RunSettings) -> tuple[str, int] | None:
    """Name and seed of the run whose logs this one reads: a control repeats what another drops."""
    return (settings.dropping.repeats, settings.seed) if settings.dropping.scheme in CONTROLS else None
