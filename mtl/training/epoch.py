"""What is left of an epoch: its batches, and which tasks are on in each."""

from collections.abc import Iterator

from mtl import gating
from mtl.batch import Batch
from mtl.data.batches import train_batches
from mtl.training.resuming import Progress
from mtl.training.run import Run


def epoch_gates(run: Run, at: Progress) -> list[gating.Gates]:
    """The gates of the batches that are left of the epoch."""
    assert at.gates is not None, "an epoch is planned before it is trained"
    gates = at.gates * run.data.num_batches if len(at.gates) == 1 else at.gates
    return gates[at.batch :]


def epoch_batches(run: Run, at: Progress) -> Iterator[Batch]:
    """The batches that are left of the epoch."""
    data, train = run.settings.data, run.settings.train
    return train_batches(
        run.data.pack,
        run.data.rows["train"],
        run.settings.seed,
        at.epoch,
        train.batch_size,
        data.max_shift,
        run.device,
        first=at.batch,
        flip=data.flip,
        mine=run.world.rows,
    )
