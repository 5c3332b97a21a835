"""A study: its table is that of its runs, the control repeats DST's rates, a second call only prints."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.config import order_methods, single_run
from mtl.errors import UserError
from mtl.launchers import queue
from mtl.record import locks
from mtl.record.paths import run_folder
from mtl.statistics import write_results
from mtl.statistics.markdown import markdown
from tests.tiny import study


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


def test_a_command_waits_for_what_another_trains(
    small: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small.study.methods, small.study.seeds = ("joint",), (0,)
    monkeypatch.setattr(queue, "SECONDS", 0.01)
    texts: list[str] = []
    second = threading.Thread(target=lambda: texts.append(study(small, tmp_path)))
    with locks.hold(run_folder(tmp_path, "joint", 0)):
        second.start()
        second.join(0.1)
        assert (texts, capfd.readouterr().out) == ([], "")
    second.join()
    assert capfd.readouterr().out.startswith("joint, seed 0: test accuracy")
    assert texts == [study(small, tmp_path)]


def test_control_comes_after_dst() -> None:
    assert order_methods(("random_drop", "joint", "dst")) == ("joint", "dst", "random_drop")
    with pytest.raises(UserError, match=r"names 'dts'"):
        order_methods(("dts",))


def test_control_alone_says_what_it_needs(small: ConfigDict, tmp_path: Path) -> None:
    small.study.methods = ("random_drop",)
    with pytest.raises(UserError, match="train dst before random_drop"):
        study(small, tmp_path)
    small.study.methods = ()
    with pytest.raises(UserError, match="at least one method"):
        study(small, tmp_path)


def test_a_seed_that_is_added_joins_those_that_are_there(small: ConfigDict, tmp_path: Path) -> None:
    small.study.methods, small.study.seeds = ("joint",), (0,)
    study(small, tmp_path)
    before = (tmp_path / "joint" / "seed_0" / "results.json").stat().st_mtime_ns
    small.study.methods, small.study.seeds = ("uncertainty", "joint"), (1,)
    table = study(small, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["seeds"] == {"joint": [0, 1], "uncertainty": [1]}
    assert "seeds: joint 2, uncertainty 1" in table
    assert before == (tmp_path / "joint" / "seed_0" / "results.json").stat().st_mtime_ns


def test_runs_with_other_settings_are_no_study(small: ConfigDict, tmp_path: Path) -> None:
    small.study.methods, small.study.seeds = ("joint",), (0,)
    study(small, tmp_path)
    small.study.seeds = (1,)
    small.train.learning_rate = 0.02
    small.model.hidden = 3
    with pytest.raises(UserError, match=r"seed_0 is of a study of other .* \(model\.hidden = .*; train\.learning_rate"):
        study(small, tmp_path)
    assert not (tmp_path / "joint" / "seed_1").exists(), "nothing is trained before it is said"


def test_variants_are_runs_with_other_fields(small: ConfigDict, tmp_path: Path) -> None:
    small.study.methods, small.study.seeds = ("joint", "fast", "per_step"), (0,)
    small.study.variants = {
        "fast": {"train": {"learning_rate": 0.05}},
        "per_step": {"method": "dst", "dst": {"period": "step"}},
    }
    study(small, tmp_path)
    config = json.loads((tmp_path / "fast" / "seed_0" / "config.json").read_text())["config"]
    assert (config["method"], config["train"]["learning_rate"], config["dst"]["period"]) == ("joint", 0.05, "epoch")
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results["methods"]) == ["joint", "fast", "per_step"]
    assert list(results["drop_rates"]) == ["per_step"]
    small.study.methods = ("wrong",)
    small.study.variants = {"wrong": {"train": {"learning_rat": 0.05}}}
    with pytest.raises(UserError, match=r"study\.variants\.wrong does not fit"):
        study(small, tmp_path)


def test_a_variant_is_compared_with_its_own_baseline(small: ConfigDict, tmp_path: Path) -> None:
    few = {"data": {"label_fractions": ("a=0.5",)}}
    small.study.variants = {"joint_few": {"method": "joint"} | few, "dst_few": {"method": "dst"} | few}
    small.study.methods, small.study.seeds = ("joint", "joint_few", "dst_few"), (0,)
    small.study.references = {"dst_few": "joint_few"}
    study(small, tmp_path)
    results = write_results(tmp_path, with_comparisons=True)
    assert {name: list(of) for name, of in results["comparisons"].items()} == {
        "joint": [],
        "dst_few": ["joint_few"],
        "joint_few": ["joint"],
    }
    for references, sentence in (({"dst_few": "joint_fw"}, "closest to joint_few"), ({"joint": "joint"}, "itself")):
        small.study.references = references
        with pytest.raises(UserError, match=rf"study\.references .*{sentence}"):
            study(small, tmp_path)


def test_one_network_under_two_names_is_flagged(small: ConfigDict, tmp_path: Path) -> None:
    """Lambdas that leave P at 1 drop nothing: joint training under another name."""
    weights = dict.fromkeys(("depth", "count", "incompleteness", "stagnancy"), 0.0) | {"regularization": 1.0}
    small.study.variants = {"never_drops": {"method": "dst", "dst": {"weights": weights}}}
    small.study.methods, small.study.seeds = ("joint", "never_drops"), (0,)
    table = study(small, tmp_path)
    assert "one network under several names: joint (seed 0) = never_drops (seed 0)" in table
    assert "No gate was ever shut, so that nothing was dropped: never_drops" in table


def test_a_single_run_is_what_its_variant_names(small: ConfigDict) -> None:
    small.study.variants = {"beta_10": {"method": "dst", "dst": {"beta": 0.1}}}
    small.seed, small.variant = 3, "beta_10"
    run = single_run(small)
    assert (run.method, run.dst.beta, run.seed, run.variant) == ("dst", 0.1, 3, "beta_10")
    small.variant = "beta_20"
    with pytest.raises(UserError, match=r"variant is 'beta_20', which is not in study\.variants \(beta_10\)"):
        single_run(small)
    small.variant = ""
    assert single_run(small).method == "joint"


def test_single_metric_forms_differ_in_their_weights_alone(small: ConfigDict, tmp_path: Path) -> None:
    small.dst.weights.update({"incompleteness": 0.3, "stagnancy": 0.3, "regularization": 0.4})
    small.study.methods, small.study.seeds = ("dst_depth", "dst_count", "dst_incompleteness", "dst_stagnancy"), (0,)
    small.model.taps = ("b=stage1",)
    small.data.label_fractions = ("a=0.5",)
    study(small, tmp_path)
    for method, letter in (("depth", "d"), ("count", "c"), ("incompleteness", "u"), ("stagnancy", "r")):
        lines = (tmp_path / f"dst_{method}" / "seed_0" / "dst.jsonl").read_text().splitlines()
        first, last = json.loads(lines[0]), json.loads(lines[-1])
        assert first["weights"] == pytest.approx(dict.fromkeys("dcur", 0.0) | {letter: 0.6, "b": 0.4})
        metric = last[f"P_{letter}"]
        assert min(metric.values()) < 1.0, "the metric is seen at work"
        assert last["P"] == pytest.approx({task: 0.6 * value + 0.4 for task, value in metric.items()})


def test_markdown() -> None:
    assert markdown([["task", "x"], ["a", "10"]]) == "| task | x  |\n|------|----|\n| a    | 10 |"
