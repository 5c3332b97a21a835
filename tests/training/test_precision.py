"""The precision that "auto" takes: the faster, measured once for a study."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.models.precision import make_in
from mtl.record import files
from mtl.record.paths import CONFIG, PRECISION
from mtl.training import precision
from mtl.training.precision import find_precision, measure
from tests.tiny import fit, make_tiny, tiny_config, write_celeba

INPUTS = torch.zeros(4, 3, 8, 8)


def make(which: str) -> tuple[Any, ...]:
    model, params, buffers = make_tiny()
    return make_in(which, model), params, buffers


def test_measures_both_and_takes_the_faster() -> None:
    found = measure(make, INPUTS)
    assert set(found["seconds"]) == {"float32", "bfloat16"} and all(each > 0 for each in found["seconds"].values())
    assert found["seconds"][found["chosen"]] == min(found["seconds"].values())


@pytest.mark.parametrize("faster", ["float32", "bfloat16"])
def test_a_study_keeps_what_its_first_run_found(
    faster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = {"float32": 2.0, "bfloat16": 2.0} | {faster: 1.0}
    monkeypatch.setattr(precision, "measure", lambda *_: {"chosen": faster, "seconds": seconds, "device": "x"})
    assert find_precision("auto", tmp_path, make, INPUTS.shape, INPUTS.device) == faster
    assert f"precision: {faster}" in capsys.readouterr().out
    monkeypatch.setattr(precision, "measure", lambda *_: pytest.fail("measured again"))
    assert find_precision("auto", tmp_path, make, INPUTS.shape, INPUTS.device) == faster
    assert files.read_json(tmp_path / PRECISION)["seconds"] == seconds


def test_what_is_asked_for_is_not_measured(tmp_path: Path) -> None:
    assert find_precision("bfloat16", tmp_path, make, INPUTS.shape, INPUTS.device) == "bfloat16"
    assert list(tmp_path.iterdir()) == []


def test_runs_say_what_they_were_trained_in(tmp_path: Path) -> None:
    config = tiny_config(write_celeba(tmp_path / "data"), tmp_path / "cache")
    config.train.precision, config.train.epochs = "auto", 1
    fit(config, tmp_path / "study")
    chosen = files.read_json(tmp_path / "study" / PRECISION)["chosen"]
    described = files.read_json(tmp_path / "study/joint/seed_0" / CONFIG)
    assert (described["precision"], described["config"]["train"]["precision"]) == (chosen, "auto")
