"""Event files, read back with TensorBoard's own reader: they hold what the logs hold, however a run came to its end."""

import json
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mtl import study as whole_study
from mtl.config import read_run, read_study
from mtl.errors import UserError
from mtl.record import tensorboard
from mtl.record.paths import DST, EVENTS, METRICS, run_folder
from mtl.report import figures, job
from mtl.training import loop
from mtl.world import ALONE
from tests.report.synthetic import write_study
from tests.same import read_lines
from tests.tiny import TASKS, fit, prepare, study, tiny_config

Series = dict[str, list[tuple[int, float]]]  # tag -> (step, value)
NUM_STEPS = 6  # of an epoch


def read_back(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def series(folder: Path) -> Series:
    read = read_back(folder)
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def of_logs(folder: Path) -> Series:
    """What the logs say, tag by tag; TensorBoard's numbers are single ones."""
    lines = read_lines(folder / METRICS)
    steps, epochs = ([line for line in lines if line["kind"] == kind] for kind in ("step", "epoch"))
    drops = read_lines(folder / DST) if (folder / DST).is_file() else []
    found: Series = {}

    def put(tag: str, points: list[tuple[int, float | None]]) -> None:
        known = [(step, float(np.float32(value))) for step, value in points if value is not None]
        found.update({tag: known} if known else {})

    put("optimizer/learning_rate", [(line["step"], line["learning_rate"]) for line in steps])
    for norm in ("gradient", "parameter", "update"):
        put(f"norm/{norm}", [(line["step"], line[f"{norm}_norm"]) for line in steps])
    for score in ("overall_accuracy", "balanced_accuracy", "exact_match"):
        put(f"valid/{score}", [(line["step"], line["valid"][score]) for line in epochs])
    put("conflicting/features", [(line["step"], line["conflicting"]["features"]) for line in epochs])
    for task in TASKS:
        put(f"loss/{task}", [(line["step"], line["losses"][task]) for line in steps])
        put(f"weight/{task}", [(line["step"], line["weights"][task]) for line in steps])
        put(f"epoch_loss/{task}", [(line["step"], line["losses"][task]) for line in epochs])
        for score in ("accuracy", "balanced_accuracy"):
            put(f"valid_{score}/{task}", [(line["step"], line["valid"]["tasks"][task][score]) for line in epochs])
        at = {line["epoch"]: NUM_STEPS * (line["epoch"] - 1) for line in drops}
        put(f"measured_loss/{task}", [(at[line["epoch"]], line["V"][task]) for line in drops])
        put(f"activation_probability/{task}", [(at[line["epoch"]], line["P"][task]) for line in drops])
        put(f"drop_rate/{task}", [(at[line["epoch"]], 1.0 - line["P"][task]) for line in drops])
        put(f"gate/{task}", [(at[line["epoch"]], line["G"][task]) for line in drops])
    return found


def watched(config: ConfigDict) -> ConfigDict:
    config.method, config.train.epochs, config.train.tensorboard = "dst", 2, True
    return config


@pytest.fixture(scope="module")
def whole(celeba_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one run that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("whole")
    fit(watched(tiny_config(celeba_files, celeba_files.parent / "cache")), workdir)
    return workdir


def test_event_file_holds_the_logs(whole: Path) -> None:
    folder = run_folder(whole, "dst", 0)
    found = series(folder)
    assert found == of_logs(folder)
    assert [step for step, _ in found["loss/a"]] == [2, 4, 6, 8, 10, 12]
    assert [step for step, _ in found["gate/a"]] == [0, 6]
    assert [step for step, _ in found["valid/overall_accuracy"]] == [6, 12]


class Killed(Exception):
    """Stands for the death of the process."""


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
def test_killed_run_has_the_same_series(
    config: ConfigDict, whole: Path, tmp_path: Path, checkpoint_seconds: float
) -> None:
    """It dies between log and event file, and leaves half an event; what is not trained again keeps its time."""
    config = watched(config)
    config.train.checkpoint_seconds = checkpoint_seconds
    folder, append = run_folder(tmp_path, "dst", 0), tensorboard.append

    def dying(run: Path, line: dict[str, Any], num_steps: int) -> None:
        if line.get("step") == 10:
            raise Killed
        append(run, line, num_steps)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(tensorboard, "append", dying)
        fit(config, tmp_path)
    assert [step for step, _ in series(folder)["loss/a"]] == [2, 4, 6, 8]
    died = time.time()
    with (folder / EVENTS).open("ab") as file:
        file.write((folder / EVENTS).read_bytes()[:20])
    before = (folder / EVENTS).read_bytes()
    fit(config, tmp_path)
    assert series(folder) == of_logs(folder) == series(run_folder(whole, "dst", 0))
    assert [event.wall_time < died for event in read_back(folder).Scalars("loss/a")][:4] == [
        *(True, True, True),
        checkpoint_seconds == 0.0,  # else step 8 was trained again
    ]
    kept = len(before) // 2
    assert (folder / EVENTS).read_bytes()[:kept] == before[:kept]


def test_finished_run_gets_the_event_file_that_it_lacks(config: ConfigDict, whole: Path, tmp_path: Path) -> None:
    """The field changes no number, so the run is the same; what it logged is shown."""
    config = watched(config)
    config.study.methods, config.study.seeds = ("dst",), (0,)
    config.train.tensorboard = False
    study(config, tmp_path)
    folder = run_folder(tmp_path, "dst", 0)
    assert not (folder / EVENTS).exists()
    config.train.tensorboard = True
    study(config, tmp_path)
    assert series(folder) == series(run_folder(whole, "dst", 0))
    stamp = (folder / EVENTS).stat().st_mtime_ns
    study(config, tmp_path)
    assert (folder / EVENTS).stat().st_mtime_ns == stamp


def test_first_process_alone_writes(config: ConfigDict, tmp_path: Path) -> None:
    run, _ = prepare(watched(config), tmp_path)
    line = {"kind": "epoch", "epoch": 1, "step": 6, "losses": {"a": 0.5}, "valid": {"tasks": {}}}
    loop.log(run._replace(world=ALONE._replace(rank=1)), METRICS, line)
    assert not (run.folder / EVENTS).exists()
    loop.log(run, METRICS, line)
    assert series(run.folder) == {"epoch_loss/a": [(6, 0.5)]}


def test_the_command_says_where(config: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole_study.say_how_to_watch([read_run(config)], tmp_path)
    assert capsys.readouterr().err == ""
    whole_study.say_how_to_watch([read_run(watched(config))], Path("a b/$(x)"))
    assert capsys.readouterr().err == (
        "events.out.tfevents.mtl beside each run's metrics.jsonl; watch with: tensorboard --logdir 'a b/$(x)'\n"
    )


def test_missing_package_is_said_before_anything_is_read(config: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    config.data.root = "nowhere"
    read_study(config)
    with pytest.raises(UserError, match=r"TensorBoard, which is not installed: .*/pip install -e '.\[tensorboard\]'$"):
        read_study(watched(config))


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose report has two figures, and no PDF and no video here."""
    for name in ("make_video", "typeset"):
        monkeypatch.setattr(job, name, lambda source, path: None)
    monkeypatch.setattr(job, "document", lambda study, figures: "")
    monkeypatch.setattr(figures, "OF_STUDY", {name: figures.OF_STUDY[name] for name in ("faces", "learning_curves")})
    monkeypatch.setattr(figures, "OF_METHOD", {"activation": figures.OF_METHOD["activation"]})
    return write_study(tmp_path, ("joint", "dst"), num_seeds=1, num_epochs=2)


def test_report_without_event_files_makes_none(reported: Path) -> None:
    assert job.report(reported).endswith("tables.md.")
    assert not [*reported.rglob(EVENTS)]


def test_report_adds_its_figures_but_no_face(reported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_folder(reported, "dst", 0) / EVENTS).touch()
    assert job.report(reported).endswith("TensorBoard has the figures too, but those with faces.")
    read = read_back(reported / "figures")
    assert {path.stem for path in (reported / "figures").glob("*.svg")} == {
        *("faces", "learning_curves", "activation_dst")
    }
    assert set(read.Tags()["images"]) == {"learning_curves", "activation_dst"}
    (shown,) = read.Images("learning_curves")
    with Image.open(BytesIO(shown.encoded_image_string)) as image:
        assert image.size == (shown.width, shown.height) and shown.width > 1000
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    assert "TensorBoard gets no figures: event files are written with TensorBoard" in job.report(reported)


def test_logs_of_real_runs_are_scalars() -> None:
    """The committed ones, which older versions wrote too."""
    lines = [json.loads(path.read_text().splitlines()[-1]) for path in sorted(Path("artifacts").rglob("*.jsonl"))]
    assert lines
    for line in lines:
        assert all(np.isfinite(value) for value in tensorboard.scalars(line).values())
