"""SIGTERM, which a scheduler sends before it takes the machine away, and Ctrl-C.

Either ends what is under way by an exception, `Stopped`, wherever that is. Training puts it off until its step is done
and the run is saved, since the exception would come in the middle of a step: see `deferring` and `leave_if_asked`. A
process that has not come to that within `LIMIT` seconds, being in a compiler, say, is ended all the same; it then goes
on from its last checkpoint, as one that was killed.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LATER = 75  # EX_TEMPFAIL of sysexits.h: give the same command again
INTERRUPTED = 130  # as shells have it for Ctrl-C
LIMIT = 9.0  # seconds from the signal to the end


class Stopped(KeyboardInterrupt):
    """The process was asked to end, by a signal that need not be Ctrl-C; nothing is wrong with what it does.

    Attributes:
      number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What the process ends with.

        Example:
          >>> Stopped(signal.SIGTERM).exit_code, Stopped(signal.SIGINT).exit_code
          (75, 130)
        """
        return INTERRUPTED if self.number == signal.SIGINT else LATER


class _Asked:
    """What this process was asked: signals come to a process, so there is one of it."""

    number = 0  # of the signal; 0 for none
    is_deferred = False


@contextmanager
def listening(*numbers: int) -> Iterator[None]:
    """Lets these signals end what is done within it; only a process's main thread can.

    A second Ctrl-C does not wait for a step to end.

    Example:
      >>> try:
      ...     with listening(signal.SIGTERM):
      ...         signal.raise_signal(signal.SIGTERM)
      ... except Stopped as stopped:
      ...     print(stopped.exit_code)
      75
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Asked.number = 0
    before = {number: signal.signal(number, _answer) for number in numbers}
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    old = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(reading,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        os.close(writing)  # which ends the thread
        for number, handler in before.items():
            signal.signal(number, handler)
        _Asked.number = 0


@contextmanager
def deferring() -> Iterator[None]:
    """Within it a signal only makes `leave_if_asked` raise.

    Example:
      >>> try:
      ...     with listening(signal.SIGTERM), deferring():
      ...         signal.raise_signal(signal.SIGTERM)
      ...         print("goes on")
      ...         leave_if_asked()
      ... except Stopped:
      ...     print("left")
      goes on
      left
    """
    before, _Asked.is_deferred = _Asked.is_deferred, True
    try:
        yield
    finally:
        _Asked.is_deferred = before
    leave_if_asked()


def is_asked() -> bool:
    """Whether a signal came.

    Example:
      >>> is_asked()
      False
    """
    return _Asked.number != 0


def leave_if_asked() -> None:
    """Where a run can be left.

    Raises:
      Stopped: if a signal came.

    Example:
      >>> leave_if_asked()  # nobody asked
    """
    if is_asked():
        raise Stopped(_Asked.number)


def _answer(number: int, frame: FrameType | None) -> None:
    again = _Asked.number == number == signal.SIGINT
    _Asked.number = _Asked.number or number
    if again or not _Asked.is_deferred:
        raise Stopped(number)


def _end_in_time(reading: int) -> None:
    """Ends the process some seconds after SIGTERM; a person at the terminal has a second Ctrl-C."""
    deadline: float | None = None
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], None if deadline is None else max(0.0, deadline - time.monotonic()))[0]:
            came = pipe.read(1)
            if not came:
                return  # nobody listens any more
            if came[0] == signal.SIGTERM and deadline is None:
                deadline = time.monotonic() + LIMIT
    os._exit(LATER)
