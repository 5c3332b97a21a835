"""A local Ray cluster: a worker is killed in mid-run, and the study ends with the same bits."""

import sys
from functools import partial
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from mtl.config import read_study
from mtl.errors import UserError
from mtl.launchers.local import in_turn
from mtl.launchers.on_ray import on_ray
from mtl.launchers.queue import train_all
from mtl.record.paths import run_folder
from mtl.training.settings import RaySettings
from tests.launchers.runs import die_once, train
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


@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_worker_killed_in_mid_run_and_the_same_bits(
    config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason=WHY)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
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
