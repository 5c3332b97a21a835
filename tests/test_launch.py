"""The command as people type it: one sentence and exit code 2 for a mistake, and its jobs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import av
import pytest
from pypdf import PdfReader

from tests.tiny import write_celeba

ROOT = Path(__file__).parents[1]


def launch(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "launch.py"), f"--config={ROOT}/configs/celeba.py", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--config.data.root=/nowhere",), "/nowhere"),
        (("--config.trian.epochs=3",), "trian"),
        (("--config.train.epochs=three",), "three"),
        (("--job=dance",), "dance"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = launch(*arguments, f"--workdir={tmp_path}/out")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mtl: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def small_study(folder: Path) -> tuple[str, ...]:
    """Arguments of a study of two methods on tiny files, which are written to `folder`; its workdir is folder/out."""
    return (
        f"--config.data.root={write_celeba(folder / 'files')}",
        f"--config.data.cache={folder}/cache",
        "--config.data.num_workers=1",
        "--config.data.attributes=('a','b')",
        "--config.data.image_size=32",
        "--config.train.batch_size=18",
        "--config.study.methods=('joint','dst')",
        f"--workdir={folder}/out",
    )


def test_study_through_the_command(tmp_path: Path) -> None:
    """The whole way from files to the table, with ResNet-18, and again: nothing is left to train."""
    arguments = (*small_study(tmp_path), "--config.train.epochs=1", "--config.study.seeds=(3,)")
    done = launch(*arguments)
    assert done.returncode == 0, done.stderr
    assert "| overall" in done.stdout
    assert (tmp_path / "out" / "dst" / "seed_3" / "dst.jsonl").is_file()
    again = launch(*arguments)
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout


def test_report_and_bundle_through_the_command(tmp_path: Path) -> None:
    """From the files to the zip, as a user would: the PDF has pages, the video plays, the zip holds both."""
    out = tmp_path / "out"
    study = (*small_study(tmp_path), "--config.train.epochs=2")
    assert launch(*study).returncode == 0
    done = launch("--job=report", f"--workdir={out}")
    assert done.returncode == 0, done.stderr
    assert 6 <= len(PdfReader(out / "report.pdf").pages) <= 12
    with av.open(str(out / "demo.mp4")) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert 20 <= film.duration / av.time_base <= 60
    assert "comparisons" in json.loads((out / "results.json").read_text())
    done = launch("--job=bundle", f"--workdir={out}", f"--bundle={tmp_path}/mine.zip")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert {"README.md", "study/report.pdf", "study/demo.mp4", "code/launch.py"} <= set(archive.namelist())
