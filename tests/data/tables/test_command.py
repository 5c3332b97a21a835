"""A person's own table on the command line: what is in it, a run on it, and a mistake's exit code."""

import json
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.cli import main
from mtl.config import read_data
from mtl.data.load import load_table, load_tasks
from mtl.data.tables.drawn import HAIR, OTHER
from mtl.kinds import Kind
from tests import tiny
from tests.data.tables.files import columns, values, write_all


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("table"), columns())


def command(path: Path, workdir: Path, *arguments: str) -> int:
    fixed = (f"--config.data.table={path}", f"--config.data.cache={workdir}/cache", f"--workdir={workdir}")
    return main(["mtl", "--config=default", "--config.data.name=table", *fixed, *arguments])


@pytest.mark.filterwarnings("ignore:the load_module")  # config_flags opens its file with it
def test_what_is_in_it(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = "--config.data.tasks=('age=regression','hair')"
    assert command(path, tmp_path, "--job=attributes", tasks) == 0
    assert "| hair | yes | classes |" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:the load_module")
def test_a_mistake_names_the_field(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(path, tmp_path, "--job=attributes", "--config.data.tasks=('agee',)") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"mtl: {path} has no column 'agee': did you mean age")
    assert said.endswith("(--config.data.tasks)\n") and said.count("\n") == 1


def test_a_study_of_three_kinds(config: ConfigDict, path: Path, tmp_path: Path) -> None:
    config.data.update({"name": "table", "table": str(path), "tasks": (), "split_seed": 3})
    config.study.methods = ("joint", "dst")
    config.train.epochs = 1
    printed = tiny.study(config, tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["tasks"] == ["smiling", "hair", "age"]
    assert [kind["name"] for kind in results["kinds"]] == ["binary", "classes", "regression"]
    assert results["split_sizes"].keys() == {"train", "valid", "test"}
    assert "| hair" in printed


def test_drawn_faces_as_a_table(config: ConfigDict, tmp_path: Path) -> None:
    config.data.update({"name": "drawn", "root": str(tmp_path), "num_faces": 60, "tasks": (), "flip": False})
    data = read_data(config)
    faces, table = load_table(data), load_tasks(data)
    assert table.attributes == ("smiling", "hair", "turn")
    assert table.kinds[:2] == (Kind("binary"), Kind("classes", (*HAIR, OTHER)))
    assert np.array_equal(table.identity, faces.identity) and np.array_equal(table.split, faces.split)
    present = dict(zip(faces.attributes, faces.labels.T, strict=True))
    assert np.array_equal(table.labels[:, 0], present["Smiling"])
    hair = values(table, "hair")
    assert np.array_equal(hair == 0, present["Black_Hair"])
    assert np.array_equal(np.isnan(hair), present["Bald"])
    turn = values(table, "turn")
    assert turn.min() >= -30.001 and turn.max() <= 30.001 and turn.std() == pytest.approx(13, abs=4)
