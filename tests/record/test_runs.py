"""A study's runs: their order, and settings that must not differ between them."""

from pathlib import Path
from typing import Any

import pytest

from configs.default import get_config
from mtl.errors import UserError
from mtl.record.files import read_json, write_json
from mtl.record.paths import CONFIG, DST, METRICS, RESULTS, find_files, parse_run_file, run_file, run_folder
from mtl.record.runs import find_runs, read_provenance
from mtl.record.settings import BEFORE, changed_fields, effective
from tests.made_up import results_of_nothing


def write_run(workdir: Path, name: str, seed: int, config: dict[str, Any], drops: bool = False) -> None:
    folder = run_folder(workdir, name, seed)
    folder.mkdir(parents=True)
    config = {"method": name, "seed": seed, "data": {}, "model": {}, "train": {"epochs": 3}} | config
    made = {"command": f"python {seed}", "revision": "0", "device": "made up", "versions": {"torch": "2"}}
    write_json(folder / CONFIG, {"config": config} | made)
    write_json(folder / RESULTS, results_of_nothing(name, seed))
    (folder / METRICS).touch()
    if drops:
        (folder / DST).touch()


def test_order_of_the_runs(tmp_path: Path) -> None:
    """Joint training first, then what balances, then what drops, then variants; seeds as numbers, not as text."""
    write_run(tmp_path, "random_drop", 0, {}, drops=True)
    write_run(tmp_path, "variant_b", 0, {"method": "mgda", "variant": "variant_b"})
    write_run(tmp_path, "variant_a", 0, {"method": "dst", "variant": "variant_a"}, drops=True)
    write_run(tmp_path, "uncertainty", 0, {})
    write_run(tmp_path, "dst", 0, {}, drops=True)
    write_run(tmp_path, "mgda", 0, {})
    for seed in (10, 9):
        write_run(tmp_path, "joint", seed, {})
    write_run(tmp_path, "single_task", 0, {})
    found = find_runs(tmp_path)
    assert list(found) == [
        "joint",
        "single_task",
        "mgda",
        "uncertainty",
        "dst",
        "random_drop",
        "variant_a",
        "variant_b",
    ]
    assert list(found["joint"]) == [9, 10]
    assert read_provenance({"joint": found["joint"]})["commands"] == ["python 9", "python 10"]
    assert read_provenance(found)["versions"] == ["torch 2"]


def test_an_unfinished_run_does_not_count(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "joint", 0)
    folder.mkdir(parents=True)
    write_json(folder / CONFIG, {})
    with pytest.raises(UserError, match="holds no finished run"):
        find_runs(tmp_path)
    assert find_files(tmp_path, CONFIG) == [folder / CONFIG]


def test_methods_share_their_settings_and_a_variants_seeds_share_its_own(tmp_path: Path) -> None:
    other = {"method": "joint", "variant": "long", "train": {"epochs": 9}}
    write_run(tmp_path, "joint", 0, {"methods": {"mgda": {"c": 1}}})
    write_run(tmp_path, "long", 0, other)
    write_run(tmp_path, "mgda", 0, {"methods": {"mgda": {"c": 2}}})
    assert list(find_runs(tmp_path)) == ["joint", "mgda", "long"], "options of methods may differ"
    write_run(tmp_path, "long", 1, other | {"train": {"epochs": 8}})
    with pytest.raises(UserError, match=r"long/seed_1 and .*seed_0 .* other settings \(train\.epochs = 8, not 9\)"):
        find_runs(tmp_path)


def test_no_name_leads_out_of_the_study(tmp_path: Path) -> None:
    for name in ("../../esc", "/abs", "a/b", "", "..", "$#panic()$", "x" * 61, "figures"):
        with pytest.raises(UserError, match=r"^a run is called "):
            run_folder(tmp_path, name, 0)


def test_runs_on_other_data_are_no_study(tmp_path: Path) -> None:
    for seed, digest in enumerate(("aa", "aa", "bb")):
        write_run(tmp_path, "joint", seed, {})
        path = tmp_path / "joint" / f"seed_{seed}" / CONFIG
        write_json(path, read_json(path) | {"fingerprint": {"labels": digest}})
    with pytest.raises(UserError, match=r"seed_2 and .*seed_0 were trained on other data"):
        find_runs(tmp_path)


def test_settings_are_those_of_the_runs_own_method() -> None:
    """Its own options count, those of a method whose name begins alike do not."""
    config = {"method": "impartial_losses", "methods": {"impartial": {"a": 1}, "impartial_losses": {"b": (2,)}}}
    before = effective(config | {"data": {"cache": "x"}, "study": {"seeds": (0,)}})
    assert before == {"method": "impartial_losses", "methods.impartial_losses.b": [2]}
    now = effective(config | {"methods": {"impartial": {"a": 5}, "impartial_losses": {"b": (3,)}}})
    assert changed_fields(before, now) == ["methods.impartial_losses.b"]


def test_a_runs_file_and_its_parts() -> None:
    assert parse_run_file(run_file("dst_mgda", 12, RESULTS)) == ("dst_mgda", 12, RESULTS)
    assert run_folder(Path("out"), "dst", 3) / DST == Path("out") / run_file("dst", 3, DST)


def test_a_field_that_an_older_run_lacks_has_the_value_of_then() -> None:
    older = {"train.epochs": 3}
    assert changed_fields(older, {"train.epochs": 3, "train.freeze": [], "model.width": 1.0}) == []
    assert changed_fields(older, {"train.epochs": 3, "train.freeze": ["layer1"]}) == ["train.freeze"]
    weights = {"train.epochs": 3, "dst.weights.signal": 0.0, "dst.weights.agreement": 0.1}  # lambdas of new metrics
    assert changed_fields(older, weights) == ["dst.weights.agreement"]
    config = get_config().to_dict()
    fields = {
        name: value for method in config["methods"] for name, value in effective(config | {"method": method}).items()
    }
    assert {name: fields[name] for name in BEFORE} == BEFORE, "their defaults change nothing"
