"""Choosing a method: one flag, options as fields, with DST before it."""

import inspect
import json
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from configs.default import get_config
from mtl.methods import METHODS
from mtl.train import fit
from tests.tiny import TASKS


def test_the_configuration_has_every_option_with_its_default() -> None:
    options = {
        name: {p.name: p.default for p in inspect.signature(METHODS[name]).parameters.values()} for name in METHODS
    }
    assert get_config().methods.to_dict() == {name: given for name, given in options.items() if given}


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_alone_and_with_dst(config: ConfigDict, tmp_path: Path, method: str, enabled: bool) -> None:
    config.method, config.dst.enabled, config.train.epochs = method, enabled, 2
    config.dst.weights.update(
        {"incompleteness": 1.0, "stagnancy": 0.0, "depth": 0.0, "count": 0.0, "regularization": 0.0}
    )
    _, results = fit(config, tmp_path)
    assert results["method"] == ("dst_" if enabled else "") + method
    folder = tmp_path / results["method"] / "seed_0"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    gates = {line["epoch"]: line["gates"] for line in epochs}
    assert (folder / "dst.jsonl").is_file() == enabled
    for step in (line for line in lines if line["kind"] == "step"):
        on = gates[step["epoch"]]
        assert all((step["weights"][task] == 0) >= (on[task] == 0) for task in TASKS)
    assert epochs[-1]["losses"] != epochs[0]["losses"]
