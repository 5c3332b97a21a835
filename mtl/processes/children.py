"""Processes that we start: they end with the one that started them, however that ends."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """What a process that we started calls first: it then ends when its parent does, and leaves Ctrl-C to that.

    Without it a process whose parent was killed waits for work for good.

    Raises:
      AssertionError: in a process that multiprocessing did not start.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)  # in the middle of its work, as if killed: nothing is half-written by that

    threading.Thread(target=watch, daemon=True).start()
