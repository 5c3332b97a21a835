"""One process at a time: who comes second is told at once or waits, and nobody is kept out by the dead."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from mtl.errors import UserError
from mtl.record import locks

HOLDER = """
import sys
from pathlib import Path
from mtl.record import locks
with locks.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds `folder` until it gets a line."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", HOLDER, str(folder)]
    holder = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    return holder


def test_who_comes_second_is_told_who_is_there(tmp_path: Path) -> None:
    with start_holder(tmp_path / "run") as holder:
        message = rf"{tmp_path}/run is in use by process {holder.pid} on {socket.gethostname()}: wait until"
        with pytest.raises(UserError, match=message), locks.hold(tmp_path / "run"):
            raise AssertionError("let in")
        holder.communicate("\n")
    with locks.hold(tmp_path / "run"):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [locks.LOCK]


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGINT])
def test_the_dead_hold_nothing(tmp_path: Path, deadly: signal.Signals) -> None:
    with start_holder(tmp_path / "run") as holder:
        holder.send_signal(deadly)
    with locks.hold(tmp_path / "run"):
        assert (tmp_path / "run" / locks.LOCK).read_text().startswith(f"process {os.getpid()} ")


def test_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locks.hold(tmp_path / "study" / "run"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [], "folders that stayed empty are gone"
    (tmp_path / "there").mkdir()
    with locks.hold(tmp_path / "there"), locks.hold(tmp_path / "there" / "run"):
        (tmp_path / "there" / "run" / "file").touch()
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == [Path("there/run/file")]
    with locks.hold(tmp_path / "there" / "run"), pytest.raises(UserError), locks.hold(tmp_path / "there" / "run"):
        raise AssertionError("let in")


def test_waits_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, order = tmp_path / "pack.lock", []

    def second() -> None:
        with locks.wait_for(path):
            order.append("second")

    thread, said = threading.Thread(target=second), ""
    with locks.wait_for(path):
        thread.start()
        for _ in range(30_000):  # as long as a busy machine may take
            thread.join(0.01)
            said += capsys.readouterr().err
            if said or not thread.is_alive():
                break
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert said.startswith(f"waiting for process {os.getpid()} on")
    assert not path.exists()


def test_many_that_write_one_file_leave_one_whole(tmp_path: Path) -> None:
    path, texts = tmp_path / "a.tmp", [bytes([letter]) * 100_000 for letter in b"abcdefgh"]

    def write(text: bytes) -> None:
        for _ in range(20):
            with locks.temporary(path) as file:
                for start in range(0, len(text), 10_000):
                    file.write(text[start : start + 10_000])
                file.flush()
                path.replace(tmp_path / "a")

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in texts
    assert [found.name for found in tmp_path.iterdir()] == ["a"]


def test_what_was_not_renamed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"what a killed process left")
    with locks.temporary(tmp_path / "a") as file:
        assert file.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_its_holder_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes between another's making of it and its lock, finds it empty in the end and removes it."""
    open_alone, removed = locks._open_alone, []

    def too_late(path: Path, wait: bool) -> BinaryIO:
        if not removed:
            path.parent.rmdir()
            removed.append(path.parent)
        return open_alone(path, wait)

    monkeypatch.setattr(locks, "_open_alone", too_late)
    with locks.hold(tmp_path / "run"):
        assert removed == [tmp_path / "run"]
        assert (tmp_path / "run" / locks.LOCK).is_file()


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: BinaryIO, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    sentence = rf"^{tmp_path}/run lies on a file system that locks no files \(Function not implemented\): choose"
    with pytest.raises(UserError, match=sentence), locks.hold(tmp_path / "run"):
        raise AssertionError("let in")


def test_a_lock_file_that_a_dead_machine_left_holds_nothing(tmp_path: Path) -> None:
    """The lock is the system's and not the file, which is only for people."""
    (tmp_path / locks.LOCK).write_text("process 4711 on a_machine_that_burnt_down")
    with locks.hold(tmp_path):
        pass
    with locks.wait_for(tmp_path / "pack.lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_on_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with locks.wait_for(tmp_path / "pack.lock"):
        assert (tmp_path / "pack.lock").read_bytes() == b""


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("a file")
    with (
        pytest.raises(UserError, match=rf"^{tmp_path}/study/run cannot be written .*: move away"),
        locks.hold(tmp_path / "study" / "run"),
    ):
        raise AssertionError("let in")
    with (
        pytest.raises(UserError, match=rf"^{tmp_path}/study/cache cannot be written .*: move away"),
        locks.wait_for(tmp_path / "study" / "cache" / "pack.lock"),
    ):
        raise AssertionError("let in")
