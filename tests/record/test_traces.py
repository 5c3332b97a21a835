"""What logs tell of a study: gates shut as counted by hand, weights that did nothing, the level of the gradients."""

import json
from pathlib import Path
from typing import Any

import pytest

from mtl.record.traces import (
    gradient_levels,
    largest_weight_deviations,
    read_compute,
    read_controls,
    summarize_dropping,
)

RESULTS = {  # what every results.json holds
    **{"method": "dst", "seed": 0, "tasks": [], "split_sizes": {}, "epochs": 2, "best_epoch": 1},
    **{"images_per_second": 1.0, "valid": {}, "test": {"tasks": {}}},
}


def write_run(
    folder: Path, described: dict[str, bool], steps: list[dict[str, float]], levels: tuple[str, ...] = ()
) -> Path:
    folder.mkdir(parents=True)
    config = {"method": "x", "seed": 0, "data": {}, "model": {}, "train": {}}
    (folder / "config.json").write_text(json.dumps({"config": config, **described}))
    of_all = {"epoch": 1, "step": 1, "losses": {}}
    lines: list[dict[str, Any]] = [{"kind": "step", "weights": weights} | of_all for weights in steps]
    lines.append({"kind": "epoch", "gradients": {level: {} for level in levels}} | of_all)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_dropping_is_summed_up_over_epochs_and_seeds() -> None:
    line = lambda rate, gate: {"drop_rate": {"a": rate, "b": 0.0}, "G": {"a": gate, "b": 1}}  # noqa: E731
    summary = summarize_dropping({"0": [line(0.2, 1), line(0.4, 0)], "1": [line(0.0, 1), line(0.2, 0.25)]})
    assert summary["tasks"]["a"] == pytest.approx(
        {"drop_rate": 0.2, "gates_shut": 1.75 / 4, "num_shut": 1.75, "num_gates": 4}
    )
    assert summary["overall"] == pytest.approx(
        {"drop_rate": 0.1, "gates_shut": 1.75 / 8, "num_shut": 1.75, "num_gates": 8}
    )


def test_weights_that_stay_near_equal_ones_are_found(tmp_path: Path) -> None:
    """Whatever their scale; the largest deviation over seeds, steps and tasks counts."""
    equal, far = {"a": 0.125, "b": 0.125}, {"a": 0.75, "b": 0.25}
    yes = {"weights_say_all": True}
    folders = {
        "dual_proj": {0: write_run(tmp_path / "1", yes, [equal, equal])},
        "mgda": {0: write_run(tmp_path / "2", yes, [equal]), 1: write_run(tmp_path / "3", yes, [far, equal])},
        "graddrop": {0: write_run(tmp_path / "4", {"weights_say_all": False}, [far])},
        "dst_mgda": {0: write_run(tmp_path / "5", yes, [far])},
        "of_before_it_was_said": {0: write_run(tmp_path / "6", {}, [far])},
    }
    (tmp_path / "5" / "dst.jsonl").write_text('{"epoch": 1, "V": {}, "P": {}, "G": {}}\n')
    assert largest_weight_deviations(folders) == {"dual_proj": 0.0, "mgda": 0.5}


def test_level_of_the_gradients(tmp_path: Path) -> None:
    yes = {"looks_at_gradients": True}
    folders = {
        "joint": {0: write_run(tmp_path / "1", {"looks_at_gradients": False}, [], ("features", "parameters"))},
        "pcgrad": {0: write_run(tmp_path / "2", yes, [], ("features",))},
        "exact": {0: write_run(tmp_path / "3", yes, [], ("features", "parameters"))},
    }
    assert gradient_levels(folders) == {"pcgrad": "features", "exact": "parameters"}


def test_a_task_gradient_is_an_open_task_in_a_step(tmp_path: Path) -> None:
    """Two epochs of 10 steps: two tasks, then one of them in a quarter of the steps."""
    folder = tmp_path / "dst" / "seed_0"
    folder.mkdir(parents=True)
    epochs = [(1, 10, {"a": 1.0, "b": 1.0}), (2, 20, {"a": 1.0, "b": 0.25})]
    of_all = {"kind": "epoch", "losses": {}}
    lines = [{"epoch": epoch, "step": step, "gates": gates} | of_all for epoch, step, gates in epochs]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "results.json").write_text(json.dumps(RESULTS | {"train_seconds": 3.0}))
    assert read_compute({"dst": {0: folder}}) == {"dst": {"task_gradients": 20 + 12.5, "seconds": 3.0}}


def test_a_control_names_what_it_repeats(tmp_path: Path) -> None:
    configs = {
        "random_drop": {"method": "random_drop", "dst": {}},  # as older runs have it
        "permuted": {"method": "permuted_drop", "dst": {"repeats": "dst_count"}},
        "joint": {"method": "joint", "dst": {"repeats": "dst"}},
    }
    of_all = {"seed": 0, "data": {}, "model": {}, "train": {}}
    for name, config in configs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"config": config | of_all}))
    assert read_controls({name: {0: tmp_path / name} for name in configs}) == {
        "random_drop": "dst",
        "permuted": "dst_count",
    }
