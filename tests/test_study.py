"""A study: its table is that of its runs, the control repeats DST's rates, a second call only prints."""

import json
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.errors import UserError
from mtl.study import markdown, order_methods, study, summarize


@pytest.fixture
def small(config: ConfigDict) -> ConfigDict:
    config.train.epochs = 2
    config.study.methods, config.study.seeds = ("random_drop", "joint", "dst"), (0, 1)
    config.dst.weights.update(
        {"incompleteness": 0.5, "stagnancy": 0.5, "depth": 0.0, "count": 0.0, "regularization": 0.0}
    )
    return config


def test_trains_what_is_missing_and_prints_one_table(small: ConfigDict, tmp_path: Path) -> None:
    first = study(small, tmp_path)
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/seed_*/results.json")}
    assert len(runs) == 6
    assert study(small, tmp_path) == first
    assert runs == {path: path.stat().st_mtime_ns for path in runs}, "nothing was trained again"

    results = json.loads((tmp_path / "results.json").read_text())
    accuracies = [
        json.loads((tmp_path / "dst" / f"seed_{seed}" / "results.json").read_text())["test"]["overall_accuracy"]
        for seed in (0, 1)
    ]
    spread = results["methods"]["dst"]["overall"]["accuracy"]
    assert spread["mean"] == pytest.approx(np.mean(accuracies))
    assert spread["standard_deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    row = next(line for line in first.splitlines() if line.startswith("| overall"))
    assert f"{100 * np.mean(accuracies):.2f} ±" in row


def test_control_has_dsts_mean_rate_in_every_epoch(small: ConfigDict, tmp_path: Path) -> None:
    study(small, tmp_path)
    rates = json.loads((tmp_path / "results.json").read_text())["drop_rates"]
    for seed in ("0", "1"):
        for dst_epoch, control in zip(rates["dst"][seed], rates["random_drop"][seed], strict=True):
            expected = np.mean(list(dst_epoch["drop_rate"].values()))
            assert list(control["drop_rate"].values()) == pytest.approx([expected] * 3)


def test_control_comes_after_dst() -> None:
    assert order_methods(("random_drop", "joint", "dst")) == ("joint", "dst", "random_drop")
    with pytest.raises(UserError, match=r"names 'dts'"):
        order_methods(("dts",))


def test_control_alone_says_what_it_needs(small: ConfigDict, tmp_path: Path) -> None:
    small.study.methods = ("random_drop",)
    with pytest.raises(UserError, match="put dst before random_drop"):
        study(small, tmp_path)
    small.study.methods = ()
    with pytest.raises(UserError, match="at least one method"):
        study(small, tmp_path)


def test_summary_of_one_seed_has_no_spread() -> None:
    scores = {"accuracy": 0.75, "balanced_accuracy": None, "majority_accuracy": 0.5}
    test = {"overall_accuracy": 0.75, "balanced_accuracy": None, "tasks": {"a": scores}}
    run = {"tasks": ["a"], "seed": 0, "split_sizes": {}, "device": "none", "test": test}
    overall = summarize({"joint": [run]})["methods"]["joint"]["overall"]
    assert overall["accuracy"] == {"mean": 0.75, "standard_deviation": None}
    assert overall["balanced_accuracy"] == {"mean": None, "standard_deviation": None}


def test_markdown() -> None:
    assert markdown([["task", "x"], ["a", "10"]]) == "| task | x  |\n|------|----|\n| a    | 10 |"
