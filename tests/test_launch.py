"""The command as people type it: one sentence and exit code 2 for a mistake, and its jobs."""

import json
import os
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import av
import pytest
from pypdf import PdfReader

from mtl.cli import main
from mtl.command.flags import parse
from mtl.report import job
from tests.tiny import write_celeba

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore:the load_module")  # config_flags opens its file with it


def launch(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "launch.py"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=900)


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (["--config=celeba"], ["data.root is not set"]),
        (["--config=celeba", "--config.data.root=/nowhere"], ["/nowhere"]),
        (["--config=celebra"], ["--config=celebra", "closest to celeba", "default"]),
        (["--config=/nowhere/celeba.py"], ["--config=/nowhere/celeba.py", "no such file"]),
        (["--config.trian.epochs=3"], ["--config.trian.epochs", "'trian' is closest to train"]),
        (["--config.train.lr=1"], ["--config.train.lr", "learning_rate"]),
        (["--config=celeba", "--config.train.lr=1"], ["--config.train.lr", "learning_rate"]),
        (["--config.epochs=3"], ["--config.epochs", "closest to train.epochs"]),
        (["--noconfig.dst.enable"], ["--config.dst.enable is no field", "closest to enabled"]),
        (["--config.train.epochs.most=3"], ["train.epochs has no fields"]),
        (["--config.train.epochs=three"], ["three"]),
        (["--config.train.epochs"], ["--config.train.epochs"]),
        (["--job=bench", "--config.bench.recipe=celebra"], ["--config.bench.recipe=celebra", "closest to celeba"]),
        (["--job=bench", "--config.bench.recipe=default", "--config.bench.parts=a,f"], ["'f'", "--config.bench.parts"]),
        (["--job=dance"], ["dance", "study|report|plan|verify|bundle|train|attributes|bench|predict|app|export"]),
        (["--jbo=study"], ["jbo", "Did you mean: job"]),
        (["celeba"], ["'celeba' is no flag", "--config="]),
        (["--shard=0/8"], ["0/8", "the first is 1/8"]),
        (["--job=train", "--shard=1/8"], ["--shard goes with --job=study"]),
        (["--job=report", "--launcher=ray"], ["--launcher goes with --job=study"]),
        (["--job=bench", "--saliency"], ["--saliency goes with --job=predict, and not with --job=bench"]),
        (["--job=app", "--model=,"], ["--model=, names 0", "give --model=DIR or --model=DIR,DIR2"]),
        (["--job=app", "--model=/nowhere"], ["/nowhere is no model folder"]),
        (["--format=pt2"], ["--format goes with --job=export"]),
        (["--job=export"], ["--job=export wants --model: give --model=DIR"]),
        (["--job=export", "--model=/nowhere", "--format=tflite"], ["tflite", "onnx|pt2|safetensors"]),
        (["--job=export", "--model=/nowhere", "--format=pt2"], ["/nowhere is no model folder"]),
        (["--port=80"], ["--port goes with --job=app, and not with --job=study"]),
        (["--launcher=slurm"], ["slurm", "local|ray"]),
        (["--config.study.seeds=1,2", "--config.study.seeds=3"], ["--config.study.seeds is given 2 times", "commas"]),
        (["--config.data.attributes=()"], ["data.attributes is empty"]),
        (["--config.data.attributes", "( )"], ["data.attributes is empty"]),
        (["--config.data.attributes=5"], ["data.attributes[0] is 5", "as text"]),
        (["--config.train.learning_rate=nan"], ["train.learning_rate is nan"]),
        (["--config.train.epochs=1000000000000"], ["train.epochs is 1000000000000"]),
        (["--config.train.device=meta"], ["train.device is 'meta'"]),
        (["--config.methods.cagrad.c=-1"], ["cagrad.c is -1.0", "--config.methods.cagrad.c"]),
        (["--job=bundle", "--bundle=~nobody_of_that_name/x"], ["--bundle=~nobody_of_that_name/x lies in the home"]),
        (["--config.study.num_parallel=0"], ["study.num_parallel is 0"]),
    ],
    ids=lambda given: " ".join(given),
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentences: list[str]
) -> None:
    assert main(["mtl", *arguments, f"--workdir={tmp_path}/out"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("mtl: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    for sentence in sentences:
        assert sentence in said.err
    assert not (tmp_path / "out").exists()


def test_a_mistake_ends_the_process_with_exit_code_2() -> None:
    """As a process from another folder: the default configuration is found from anywhere."""
    done = launch("--job=dance", cwd=Path("/"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mtl: flag --job=dance")
    assert done.stderr.count("\n") == 1


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mtl", "--help"]) == 0
    flags = "config workdir job bundle launcher shard model photos align [no]saliency port format output".split()
    assert {f"--{flag}:" for flag in flags} <= {*capsys.readouterr().out.split()}


@pytest.mark.parametrize("name", ["celeba", "celeba.py", "configs/celeba.py", str(ROOT / "configs/celeba.py")])
def test_a_shipped_configuration_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command = parse(["mtl", "--config.train.epochs=3", f"--config={name}"])
    assert command is not None
    assert (command.config.data.name, command.config.train.epochs) == ("celeba", 3)


def test_a_file_comes_before_a_shipped_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And may build on one."""
    lines = (
        "from configs.celeba import get_config as base",
        "def get_config():",
        "    config = base()",
        "    config.seed = 7",
        "    return config",
    )
    (tmp_path / "celeba.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    command = parse(["mtl", "--config=celeba.py"])
    assert command is not None
    assert (command.config.data.name, command.config.seed) == ("celeba", 7)


def test_an_own_configuration_that_cannot_be_run_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text("def get_config():\n    return [][1]\n")
    assert main(["mtl", f"--config={tmp_path}/own.py"]) == 2
    assert capsys.readouterr().err == f"mtl: {tmp_path}/own.py, line 2: IndexError: list index out of range\n"


def test_a_sequence_is_emptied(tmp_path: Path) -> None:
    command = parse(["mtl", "--config=pretrained", "--config.model.taps=('a=b',)", "--config.data.attributes=()"])
    assert command is not None
    assert (command.config.model.taps, command.config.data.attributes) == (("a=b",), ())


def test_paths_know_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    command = parse(["mtl", "--workdir=~/x"])
    assert command is not None
    assert (command.workdir, command.bundle) == (tmp_path / "x", tmp_path / "x.zip")
    command = parse(["mtl", "--workdir=~/x", "--bundle=~/y.zip"])
    assert command is not None
    assert command.bundle == tmp_path / "y.zip"


@pytest.mark.parametrize("name", ["w\udcff", "a\nb", "a\x1b[2Jb"])
def test_a_workdir_that_cannot_be_written_down_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mtl", f"--workdir=/nowhere/{name}"]) == 2
    said = capsys.readouterr().err
    assert "has characters that cannot be written: choose another name" in said
    assert said.rstrip("\n").isprintable()


def test_what_a_file_holds_does_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_celeba(tmp_path / "files") / "list_eval_partition.txt"
    files.write_text(files.read_text().replace("000002.jpg", "\x1b[2J.jpg"))
    data = ("--config.data.name=celeba", f"--config.data.root={tmp_path}/files")
    assert main(["mtl", "--job=attributes", *data]) == 2
    assert "\\x1b[2J.jpg" in capsys.readouterr().err


def test_a_backbone_that_there_is_not_is_said_before_images_are_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = small_study(tmp_path)
    assert main(["mtl", *study, "--job=train", "--config.model.backbone=resnet81"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mtl: backbone is 'resnet81'") and said.endswith("(--config.model.backbone)\n")
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "out").exists()


def small_study(folder: Path) -> tuple[str, ...]:
    """Arguments of a study of two methods on tiny files, which are written to `folder`; its workdir is folder/out."""
    return (
        "--config=celeba",
        f"--config.data.root={write_celeba(folder / 'files')}",
        f"--config.data.cache={folder}/cache",
        "--config.data.num_workers=1",
        "--config.data.attributes=('a','b')",
        "--config.data.image_size=32",
        "--config.model.width=0.25",
        "--config.train.batch_size=18",
        "--config.study.methods=('joint','dst')",
        f"--workdir={folder}/out",
    )


def test_study_report_and_bundle_through_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the files to the zip, with a slim ResNet-18. What follows the study finds it done: nothing is left to train,
    the PDF has pages, the video plays (of its size, with 2 frames a second instead of 16), the zip holds both."""
    monkeypatch.setattr(job, "make_video", partial(job.make_video, fps=2))
    out, study = tmp_path / "out", (*small_study(tmp_path), "--config.train.epochs=2", "--config.study.seeds=(3,)")
    assert main(["mtl", *study]) == 0, capsys.readouterr().err
    table = capsys.readouterr().out
    assert "| overall" in table
    trained = out / "dst" / "seed_3" / "dst.jsonl"
    written = trained.stat().st_mtime_ns
    assert main(["mtl", *study]) == 0
    assert capsys.readouterr().out == table
    assert trained.stat().st_mtime_ns == written
    assert main(["mtl", "--job=report", f"--workdir={out}"]) == 0, capsys.readouterr().err
    assert 6 <= len(PdfReader(out / "report.pdf").pages) <= 12
    with av.open(str(out / "demo.mp4")) as film:
        codec = film.streams.video[0].codec_context
        assert (codec.name, codec.width, codec.height) == ("h264", 1280, 720)
        assert 20 <= film.duration / av.time_base <= 60
    assert "comparisons" in json.loads((out / "results.json").read_text())
    bundle = tmp_path / "mine.zip"
    assert main(["mtl", "--job=bundle", f"--workdir={out}", f"--bundle={bundle}"]) == 0, capsys.readouterr().err
    with zipfile.ZipFile(bundle) as archive:
        assert {"README.md", "study/report.pdf", "study/demo.mp4", "code/launch.py"} <= set(archive.namelist())
