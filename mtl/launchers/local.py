"""This machine: one run after the other in this process, or some at once in processes of their own."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait

import torch

from mtl.errors import UserError
from mtl.launchers.queue import Crew, Outcome, Train, attempt, name_all
from mtl.processes.children import end_with_parent
from mtl.processes.stopping import LATER, Stopped, listening
from mtl.training.settings import RunSettings


def in_turn(train: Train) -> Crew:
    """This process, with all its threads."""
    given = deque[RunSettings]()

    def collect() -> tuple[RunSettings, Outcome]:
        run = given.popleft()
        return run, attempt(train, run)

    return Crew(1, given.append, collect)


@contextmanager
def at_once(train: Train, num_processes: int) -> Iterator[Crew]:
    """Processes that share the threads of this one, and end when the block is left or this process dies.

    Args:
      train: a function of a module, or a partial of one: each process imports it.
      num_processes: how many.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
    num_threads = max(1, torch.get_num_threads() // num_processes)
    processes, connections, at_work = [], list[Connection](), dict[Connection, RunSettings]()
    try:
        with _ignoring_interrupts():  # Ctrl-C is answered here alone
            for _ in range(num_processes):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, train, num_threads))
                process.start()
                theirs.close()  # only the process keeps it, so that its death is seen here
                processes.append(process)
                connections.append(ours)

        def start(run: RunSettings) -> None:
            connection = next(each for each in connections if each not in at_work)
            at_work[connection] = run
            with suppress(ConnectionError):  # it died before it was given work; collect says so
                connection.send(run)

        def collect() -> tuple[RunSettings, Outcome]:
            connection = wait([*at_work])[0]
            assert isinstance(connection, Connection)
            run = at_work.pop(connection)
            try:
                return run, connection.recv()
            except (EOFError, ConnectionError):
                return run, UserError(
                    f"the process that trained {name_all([run])} has ended: it was killed, most often for want of "
                    "memory, unless it says something else above; let fewer run at once, and the same command goes on",
                    "study.num_parallel",
                )

        yield Crew(num_processes, start, collect)
    finally:
        for process in processes:
            process.terminate()  # they save what they train
        for process in processes:
            process.join()
        for connection in connections:
            connection.close()


def _work(connection: Connection, train: Train, num_threads: int) -> None:
    end_with_parent()
    os.environ["TERM"] = "dumb"  # lines of progress, not bars: several processes write to one terminal
    torch.set_num_threads(num_threads)
    try:
        with listening(signal.SIGTERM), suppress(EOFError, ConnectionError):
            while True:
                connection.send(attempt(train, connection.recv()))
    except Stopped:
        sys.exit(LATER)


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignores Ctrl-C; processes started meanwhile ignore it for good, so that only their parent answers to it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
