"""Progress of long work: one bar that redraws itself in a terminal, plain lines in a log."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

BAR_WIDTH = 28
REDRAW_SECONDS = 0.1
LINE_SECONDS = 30.0  # a log gets a line this often, and one at the end


def format_seconds(seconds: float) -> str:
    """Writes a duration as people say it: `9s`, `3m05s`, `2h10m`.

    Example:
      >>> format_seconds(185.2), format_seconds(7800)
      ('3m05s', '2h10m')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"


@contextmanager
def progress(label: str, total: int, stream: TextIO | None = None, start: int = 0) -> Iterator[Callable[..., None]]:
    """Shows how far a piece of work has come; yields `update(done, note="")`.

    Args:
      label: what is being done, a few words.
      total: how many pieces there are.
      stream: where to write; standard error if None. A terminal gets a bar, anything else a line now and then, and so
        does a terminal that the environment calls dumb.
      start: pieces that were done before, for work that is resumed.

    Example:
      >>> with progress("packing", total=2, stream=sys.stdout) as update:
      ...     update(1)
      ...     update(2)
      packing: 2/2, 0s
    """
    out = sys.stderr if stream is None else stream
    is_terminal = out.isatty() and os.environ.get("TERM") != "dumb"
    began = time.monotonic()
    last_shown, last_done, last_note = began - (REDRAW_SECONDS if is_terminal else 0.0), start, ""

    def show(done: int, note: str, end: str) -> None:
        seconds = time.monotonic() - began
        rate = (done - start) / max(seconds, 1e-9)
        left = f", {format_seconds((total - done) / rate)} left" if 0 < done < total and rate > 0 else ""
        if is_terminal:
            filled = BAR_WIDTH * done // max(total, 1)
            bar = "█" * filled + "·" * (BAR_WIDTH - filled)
            out.write(f"\r\x1b[K{label} {bar} {done}/{total} {format_seconds(seconds)}{left} {note}{end}")
        else:
            out.write(f"{label}: {done}/{total}, {format_seconds(seconds)}{left} {note}".rstrip() + "\n")
        out.flush()

    def update(done: int, note: str = "") -> None:
        nonlocal last_shown, last_done, last_note
        last_done, last_note = done, note
        now = time.monotonic()
        if now - last_shown >= (REDRAW_SECONDS if is_terminal else LINE_SECONDS):
            last_shown = now
            show(done, note, end="")

    try:
        yield update
    finally:
        show(last_done, last_note, end="\n")
