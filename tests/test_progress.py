"""Progress: a bar in a terminal, plain lines in a log."""

import io

import pytest

from mtl import progress as module
from mtl.progress import format_seconds, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_log_gets_a_line_at_the_end() -> None:
    out = io.StringIO()
    with progress("packing", 3, out) as update:
        for done in range(1, 4):
            update(done, "well")
    assert out.getvalue() == "packing: 3/3, 0s well\n"


def test_log_gets_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    out = io.StringIO()
    with progress("training", 100, out, start=10) as update:
        for done in range(11, 16):
            now += 20.0
            update(done)
    lines = out.getvalue().splitlines()
    assert lines == [
        "training: 12/100, 40s, 29m20s left",  # 2 in 40 s, 88 are left
        "training: 14/100, 1m20s, 28m40s left",
        "training: 15/100, 1m40s, 28m20s left",
    ]


def test_terminal_gets_one_bar_that_redraws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with progress("packing", 4, out) as update:
        update(2)
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().startswith("\r\x1b[Kpacking " + "█" * 14 + "·" * 14 + " 2/4")


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    with progress("packing", 4, out) as update:
        update(4)
    assert out.getvalue() == "packing: 4/4, 0s\n"


def test_an_interrupt_still_ends_the_line() -> None:
    out = Terminal()
    with pytest.raises(KeyboardInterrupt), progress("packing", 4, out):
        raise KeyboardInterrupt
    assert out.getvalue().endswith("\n")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7800, "2h10m")])
def test_durations(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
