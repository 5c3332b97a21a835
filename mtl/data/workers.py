"""Work that is done in other processes, which end as soon as nobody waits for them."""

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import torch

from mtl.errors import UserError


@contextmanager
def in_processes(function: Callable, tasks: Sequence[tuple], num_workers: int) -> Iterator[Iterator]:
    """Gives `function(*task)` for every task, in order, from processes that end as soon as this block is left."""
    if num_workers == 1:
        yield (function(*task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
    workers, connections = [], []
    try:
        with ignoring_interrupts():
            for _ in range(num_workers):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(theirs,), daemon=True)
                worker.start()
                theirs.close()  # only the worker keeps it, so that its death is seen here
                workers.append(worker)
                connections.append(ours)
        for first, connection in enumerate(connections):
            connection.send((function, tasks[first::num_workers]))
        yield (_result(connections[task % num_workers].recv()) for task in range(len(tasks)))
    except (EOFError, ConnectionError) as error:
        raise UserError(
            "a process that decodes images was killed, most often for want of memory: set data.num_workers lower."
        ) from error
    finally:
        for worker, connection in zip(workers, connections, strict=True):
            worker.terminate()
            worker.join()
            connection.close()


def _result(received: Any) -> Any:
    if isinstance(received, UserError):
        raise received
    return received


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Ignores Ctrl-C; processes started meanwhile ignore it for good, so that only their parent answers to it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: Connection) -> None:
    """What a worker does: it receives a function and tasks, and sends the results, or the user's mistake that it met.

    It ends if its parent was killed.
    """
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, ConnectionError):
        function, tasks = connection.recv()
        for task in tasks:
            try:
                connection.send(function(*task))
            except UserError as error:
                connection.send(error)
                return
