"""Choosing a method: one flag, options as fields, with DST before it."""

import inspect
import json
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from configs.default import get_config
from mtl.errors import UserError
from mtl.methods import METHODS
from tests.tiny import TASKS, fit


def test_the_configuration_has_every_option_with_its_default() -> None:
    """And of the type that it has: a field of a configuration keeps the type of its first value."""
    options = get_config().methods.to_dict()
    for name, factory in METHODS.items():
        parameters = inspect.signature(factory).parameters.values()
        assert {*options.get(name, {})} == {parameter.name for parameter in parameters}
        for parameter in parameters:
            value = options[name][parameter.name]
            default = parameter.default
            assert value == (default.__name__ if callable(default) else default)
            assert type(value) in (float, int, str, tuple)


def test_every_option_is_explained() -> None:
    """In its method's docstring, under Args."""
    for name, options in get_config().methods.to_dict().items():
        explained = (METHODS[name].__doc__ or "").partition("Args:")[2]
        names = {word for line in explained.splitlines() for word in line.partition(": ")[0].strip().split(", ")}
        assert set(options) <= names, name


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_alone_and_with_dst(config: ConfigDict, tmp_path: Path, method: str, enabled: bool) -> None:
    config.method, config.dst.enabled = method, enabled
    config.train.update({"epochs": 2, "batch_size": 18, "log_every": 1})  # 36 images: two steps, and both are looked at
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
    steps = [line for line in lines if line["kind"] == "step"]
    assert len(steps) == 4
    for step in steps:
        on = gates[step["epoch"]]
        assert all((step["weights"][task] == 0) >= (on[task] == 0) for task in TASKS)
    assert epochs[-1]["losses"] != epochs[0]["losses"]


@pytest.mark.parametrize("fields", [{}, {"every": 2}, {"fraction": 0.5}], ids=["exact", "every", "fraction"])
@pytest.mark.parametrize("method", ["joint", "nash_mtl", "modo"])
def test_looks_at_the_parameters_with_dst(
    config: ConfigDict, tmp_path: Path, method: str, fields: dict[str, float]
) -> None:
    config.method, config.dst.enabled, config.train.epochs = method, True, 2
    config.gradients.update({"level": "parameters"} | fields)
    fit(config, tmp_path)
    lines = (tmp_path / f"dst_{method}" / "seed_0" / "metrics.jsonl").read_text().splitlines()
    for line in (json.loads(line) for line in lines):
        if line["kind"] == "epoch":
            assert list(line["gradients"]) == list(line["conflicting"]) == ["features", "parameters"]
            cosines = line["gradients"]["parameters"]["cosines"]
            # A task that was dropped in this epoch was not pulled back.
            assert [cosines[k][k] is None for k in range(len(TASKS))] == [line["gates"][task] == 0 for task in TASKS]


def test_single_task_networks_share_no_parameters(config: ConfigDict, tmp_path: Path) -> None:
    config.method, config.gradients.level = "single_task", "parameters"
    with pytest.raises(UserError, match="share no parameters"):
        fit(config, tmp_path)
