"""torchrun: the processes that it started train each run together, every one with its part of each batch."""

from collections.abc import Callable
from pathlib import Path

from mtl.training.distributed import joined
from mtl.training.loop import follow
from mtl.world import World


def together(job: Callable[[World], None], workdir: Path, device: str) -> None:
    """Does a job; of torchrun's processes the first does it, and the others train with it what it trains.

    Args:
      device: `train.device`.
    """
    with joined(device) as world:
        if world.rank > 0:
            follow(workdir, world)
        else:
            job(world)
            world.tell(None)
