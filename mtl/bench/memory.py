"""Peak memory of a step, in a process of its own that has imported what all need and done nothing else."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mtl.bench.timing import Contestant


class Bytes(NamedTuple):
    """Bytes in use: of the process on a CPU, of tensors on a GPU.

    Attributes:
      before: with the libraries imported, and nothing built.
      peak: the highest since.
    """

    before: int
    peak: int

    @property
    def added(self) -> int:
        """What network, batch, optimizer and steps take.

        Example:
          >>> Bytes(before=100, peak=150).added
          50
        """
        return self.peak - self.before


class Died(Exception):
    """A process ended without an answer, most often for want of memory."""


def of_steps(contestant: Contestant, device: torch.device, num_steps: int = 2) -> Bytes | None:
    """Peak memory of building a contestant and a few of its steps; None if its process did not live to tell."""
    try:
        return apart(_take_steps, contestant, device, num_steps)
    except Died:
        return None


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` of a new process.

    Raises:
      Died: if it ended without an answer.
    """
    # It is forked from one that has imported what is needed and never computed: a fork of this one might hang.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "mtl.bench.handwritten"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, torch.get_num_threads(), function, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError as error:
        raise Died from error
    finally:
        process.join()
        receiver.close()


def in_use(device: torch.device, peak: bool = False) -> int:
    """Bytes now, or at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    field = "VmHWM" if peak else "VmRSS"
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def _answer(sender: Connection, num_threads: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(num_threads)
    sender.send(function(*arguments))


def _take_steps(contestant: Contestant, device: torch.device, num_steps: int) -> Bytes:
    before = in_use(device)
    step = contestant.make()
    for _ in range(num_steps):
        step()
    return Bytes(before, in_use(device, peak=True))
