"""What a run may go on with: the settings that it began with, and more epochs where its rates allow them."""

import json
from pathlib import Path

import pytest
import torch
from ml_collections import ConfigDict

from mtl.errors import UserError
from mtl.record.paths import CONFIG, METRICS, RESULTS, run_folder
from tests.tiny import fit


@pytest.fixture
def constant(config: ConfigDict) -> ConfigDict:
    config.train.schedule, config.train.epochs, config.method = "constant", 1, "dst"
    return config


def lines(workdir: Path) -> list[dict]:
    read = map(json.loads, (run_folder(workdir, "dst", 0) / METRICS).read_text().splitlines())
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read]


def test_more_epochs_are_added_where_the_rate_is_constant(constant: ConfigDict, tmp_path: Path) -> None:
    """With the bits of a run that was asked for all of them at once; fields without effect do not stop it."""
    fit(constant, tmp_path / "longer")
    constant.train.epochs, constant.train.device = 2, "cpu:0"
    at_once, _ = fit(constant, tmp_path / "at_once")
    longer, results = fit(constant, tmp_path / "longer")
    assert results["epochs"] == 2
    for name, value in at_once.params.trunk.items():
        assert torch.equal(value, longer.params.trunk[name])
    assert lines(tmp_path / "longer") == lines(tmp_path / "at_once")
    described = json.loads((run_folder(tmp_path / "longer", "dst", 0) / CONFIG).read_text())
    assert described["config"]["train"]["epochs"] == 2

    constant.train.epochs = 1
    with pytest.raises(UserError, match=r"\(train\.epochs = 2, not 1\): it has been trained for longer"):
        fit(constant, tmp_path / "longer")


def test_other_settings_are_refused_with_all_that_differs(constant: ConfigDict, tmp_path: Path) -> None:
    constant.train.schedule = "cosine"
    fit(constant, tmp_path)
    constant.train.epochs = 2
    with pytest.raises(UserError, match=r"epochs = 1, not 2\): the rates of the schedule cosine depend on how many"):
        fit(constant, tmp_path)
    constant.train.batch_size, constant.dst.beta = 4, 0.1
    differing = r"dst\.beta = 0\.5, not 0\.1; train\.batch_size = 6, not 4; train\.epochs = 1, not 2"
    with pytest.raises(UserError, match=rf"dst/seed_0 holds a run of other settings \({differing}\): choose another"):
        fit(constant, tmp_path)
    constant.method = "random_drop"
    with pytest.raises(UserError, match=rf"dst/seed_0 is of a study of other settings \({differing}\): choose"):
        fit(constant, tmp_path)
    assert not run_folder(tmp_path, "random_drop", 0).exists()
    assert (run_folder(tmp_path, "dst", 0) / RESULTS).is_file()
