"""A process that is asked to end does so soon, with a code that says what to do, and its children end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtl import cli
from mtl.command.flags import Command
from mtl.processes import stopping

ROOT = Path(__file__).parents[2]


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.filterwarnings("ignore:the load_module")  # config_flags opens its file with it
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_the_command_ends_with_a_sentence_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    def job(command: Command) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(cli, "do", job)
    before = signal.getsignal(number)
    assert cli.main(["mtl"]) == code
    assert capsys.readouterr().err == f"\nmtl: stopped by {number.name}; the same command goes on from where it was\n"
    assert signal.getsignal(number) == before


def test_what_is_deferred_ends_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the latest when the deferral ends; a second SIGTERM hurries nothing, a second Ctrl-C does."""
    done = []
    with pytest.raises(stopping.Stopped), stopping.listening(signal.SIGTERM):
        with stopping.deferring():
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)
                done.append(stopping.is_asked())
        done.append(False)
    assert done == [True, True]
    assert not stopping.is_asked()
    with pytest.raises(stopping.Stopped), stopping.listening(signal.SIGINT), stopping.deferring():
        signal.raise_signal(signal.SIGINT)
        done.append(True)
        signal.raise_signal(signal.SIGINT)
        done.append(False)
    assert done == [True, True, True]


DEAF = """
import signal, time
from mtl.processes import stopping
stopping.LIMIT = 0.2
with stopping.listening(signal.SIGTERM), stopping.deferring():
    print("here", flush=True)
    while True:
        time.sleep(60)
"""


def test_who_does_not_come_to_an_end_is_ended() -> None:
    with start(DEAF) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        process.terminate()
        assert process.wait(20) == stopping.LATER


PARENT = """
import sys
from pathlib import Path
from mtl.data.faces import write_faces
if __name__ == "__main__":
    write_faces(Path(sys.argv[1]), 100_000, seed=0, num_workers=2)
"""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(), reason="no /proc of Linux")
def test_processes_that_draw_end_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"  # a spawned process imports it
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "faces")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    ) as parent:
        images = tmp_path / "faces.unfinished" / "img_align_celeba"
        wait_until(lambda: images.is_dir() and len(list(images.iterdir())) > 2)
        drawing = children(parent.pid)
        assert len(drawing) >= 2
        parent.kill()
        parent.wait()
        wait_until(lambda: not any(map(is_alive, drawing)))


def wait_until(holds: object, seconds: float = 60.0) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reader_that_has_gone_is_no_error() -> None:
    """As in `mtl --help | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "launch.py", "--help"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (cli.READER_GONE, "")
