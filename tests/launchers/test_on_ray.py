"""A local Ray cluster: a worker is killed in mid-run, and the study ends with the same bits."""

import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from ml_collections import ConfigDict

from mtl.config import read_study
from mtl.errors import UserError
from mtl.launchers.local import in_turn
from mtl.launchers.on_ray import _attempt_there, _check_address, on_ray
from mtl.launchers.queue import train_all
from mtl.record.paths import run_folder
from mtl.training.settings import RaySettings, RunSettings
from tests.launchers.runs import die_once, make_runs, train
from tests.same import assert_same_run

ROOT = Path(__file__).parents[2]
WHY = "Ray is not installed: pip install -e '.[ray]'"


def test_without_ray_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r"with Ray, which is not installed: .*pip install -e '\.\[ray\]'"),
        on_ray(repr, RaySettings(1, 0.0, {}, 3)),  # type: ignore[arg-type]
    ):
        raise AssertionError("went on")


def test_a_run_has_what_it_asked_for_where_the_command_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(run: RunSettings) -> dict[str, Any]:
        return {"folder": Path.cwd(), "gpus": os.environ["CUDA_VISIBLE_DEVICES"]}

    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    (run,) = make_runs(("joint",), (0,))
    seen = _attempt_there(look, run, tmp_path, RaySettings(3, 0.5, {}, 3))
    assert seen == {"folder": tmp_path, "gpus": "0,1"}
    assert set_to == [3]
    seen = _attempt_there(look, run, tmp_path, RaySettings(1, 0.0, {}, 3))
    assert isinstance(seen, dict) and seen["gpus"] == ""
    error = _attempt_there(look, run, tmp_path / "elsewhere", RaySettings(1, 0.0, {}, 3))
    assert isinstance(error, UserError)
    assert str(error).startswith(f"a node of the Ray cluster does not see {tmp_path}/elsewhere (No such file")


def test_an_address_where_nobody_answers_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for right in (address, f"ray://{address}", "auto", ""):
            _check_address(right)
    with pytest.raises(UserError, match=rf"^no Ray cluster answers at ray://{address} \(Connection refused\): set"):
        _check_address(f"ray://{address}")


@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_worker_killed_in_mid_run_and_the_same_bits(
    config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason=WHY)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray writes a token there
    config.train.epochs, config.train.checkpoint_seconds = 2, 0.0
    config.study.methods, config.study.seeds = ("joint", "dst", "random_drop"), (0,)
    study, there, here = read_study(config), tmp_path / "there", tmp_path / "here"
    there.mkdir()
    with on_ray(partial(die_once, workdir=there), study.ray) as crew:
        ended = [results["method"] for results in train_all(study.runs, crew, waits=True)]
    assert sorted(ended) == ["dst", "joint", "random_drop"]
    assert (there / "died_dst").is_file()
    list(train_all(study.runs, in_turn(partial(train, workdir=here)), waits=True))
    for run in study.runs:
        assert_same_run(run_folder(here, run.name, 0), run_folder(there, run.name, 0))
