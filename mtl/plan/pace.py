"""How long a run will take on this machine, from a few of its steps."""

import tempfile
import time
from itertools import islice
from pathlib import Path

from mtl.bench.timing import synchronize
from mtl.training.loop import epoch_batches
from mtl.training.resuming import Progress
from mtl.training.run import Run, prepare
from mtl.training.settings import RunSettings

NUM_WARMUP, NUM_STEPS = 2, 5
FORWARD = 1 / 3  # of a training step: what it takes to evaluate as many images


def measure_step(settings: RunSettings) -> tuple[Run, float]:
    """Prepares a run in a folder that is thrown away, and times a few of its steps, all tasks being on.

    Returns:
      (the run, seconds per step).
    """
    open_gates = settings._replace(dropping=settings.dropping._replace(scheme=None))  # a control would want its run
    with tempfile.TemporaryDirectory() as folder:
        run, state = prepare(open_gates, Path(folder))
    size, on = settings.train.sizes[-1], dict.fromkeys(run.model.tasks, run.switches[True])
    times = list[float]()
    for number, batch in enumerate(islice(epoch_batches(run, Progress()), NUM_WARMUP + NUM_STEPS)):
        began = time.monotonic()
        state, _ = run.steps.train[size](state, batch, on, len(on), number)
        synchronize(run.device)
        times.append(time.monotonic() - began)
    return run, sorted(times)[len(times) // 2]


def seconds_of(settings: RunSettings, num_images: dict[str, int], images_per_second: float) -> float:
    """A run's seconds: its steps, and the evaluation of each epoch.

    Args:
      settings: of the run.
      num_images: of each split.
      images_per_second: of training steps.
    """
    train, dropping = settings.train, settings.dropping
    seen = num_images["valid"] + (dropping.probe_images if dropping.scheme is not None else 0)
    trained = num_images["train"] // train.batch_size * train.batch_size
    images = train.epochs * (trained + FORWARD * seen) + FORWARD * (num_images["test"] + num_images["valid"])
    return images / images_per_second
