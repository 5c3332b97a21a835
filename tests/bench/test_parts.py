"""Each part, once, on a tiny network and tiny files."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ml_collections import ConfigDict

from mtl.bench import growth, handwritten, loading, memory, num_images, rates, steps, task_gradients, time_to_accuracy
from mtl.bench.job import PARTS, Part, bench
from mtl.bench.memory import Bytes
from mtl.bench.ours import make_ours
from mtl.bench.textbook import Epoch, Recipe
from mtl.config import read_bench
from mtl.errors import UserError
from mtl.record.files import read_json
from tests.bench.tiny_bench import CASE, CPU, ONCE, TRUNK, settings

RECIPE = Recipe("tiny", num_epochs=2, batch_size=6, image_size=8)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(handwritten.TRUNKS, "tiny", TRUNK)
    monkeypatch.setattr("mtl.bench.textbook.NUM_WORKERS", 1)


def run(part: str, config: ConfigDict, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The part's tables, as they are read back."""
    said = bench(settings(config, folder, part))
    (path,) = folder.glob("*.json")
    assert path.with_suffix(".md").read_text() in said
    result = read_json(path)
    assert list(result["parts"]) == [part]
    return result["parts"][part]["tables"]


def test_steps(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "GEMM_SIZES", (16,))
    monkeypatch.setattr(rates, "CONVOLUTIONS", (rates.Convolution(1, 2, 4),))
    monkeypatch.setitem(steps.CASES, "short", [CASE])
    monkeypatch.setitem(steps.EFFORTS, "short", ONCE)
    rows = run("a", config, tmp_path)["Training steps"]
    assert [row["step"] for row in rows] == [steps.LOOP, steps.BEST, steps.JOINT, steps.DST]
    assert [row["of the best loop"] is None for row in rows] == [False, True, False, False]
    assert all(row["seconds"]["median"] > 0.0 and row["rounds"] == 1 for row in rows)


def test_task_gradients(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchjd", reason="part b compares with TorchJD, which is not installed")
    peaks = iter(range(2, 100))
    monkeypatch.setattr(memory, "of_steps", lambda contestant, device: Bytes(1_000_000, 1_000_000 * next(peaks)))
    monkeypatch.setattr(task_gradients, "CASES", [CASE])
    monkeypatch.setitem(task_gradients.EFFORTS, "short", ONCE)
    tables = run("b", config, tmp_path)
    names = [row["step"] for row in tables["Time"]]
    assert names[0] == "joint"
    assert {"upgrad, parameters", "moco", "db_mtl", "excess_mtl", "loop", "torchjd", "torchjd, autogram"} <= {*names}
    weighed = tables["Peak memory"]
    assert [row["step"] for row in weighed] == names
    assert [row["MB"] for row in weighed[:3]] == [1.0, 2.0, 3.0]
    assert [row["of joint"] for row in weighed[:3]] == [1.0, 2.0, 3.0]


def test_without_torchjd_the_extra_is_named(
    config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is measured."""
    monkeypatch.setitem(sys.modules, "mtl.bench.peers", None)
    with pytest.raises(UserError, match=r"TorchJD, which is not installed: .* -e '\.\[bench\]'"):
        bench(settings(config, tmp_path / "out", "a,b"))
    assert not (tmp_path / "out").exists()


def test_loading(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loading.SIZES, "short", loading.Size(40, 2, 1, ONCE, RECIPE))
    tables = run("c", config, tmp_path)
    assert [row["images"] for row in tables["Time to the first batch"]] == [40] * 3
    rates_found = tables["Images per second"]
    assert [row["loader"] for row in rates_found] == [loading.TORCHVISION, loading.OURS, loading.NORMALIZED]
    assert [row["images of an epoch"] for row in rates_found] == [24, 24, 24]
    assert rates_found[1]["times as fast as torchvision"]["median"] > 1.0
    for row in tables["Training"]:
        assert row["steps"] == 2
        assert 0.0 <= row["waiting, share of the time"]["median"] < 1.0


def test_time_to_accuracy(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny recipe learns in 3 epochs what the textbook does not in 2; both train on the same images."""
    monkeypatch.setitem(time_to_accuracy.SIZES, "short", time_to_accuracy.Size(1_000, (0, 1), RECIPE))
    *rows, last = run("d", config, tmp_path)["Time to accuracy"]
    assert [row["seed"] for row in rows] == ["0", "1"]
    for row in rows:
        assert (row["training images"], row["K"], row["textbook, epochs"], row["ours, epochs"]) == (36, 3, 2, 3)
        reached = row["ours at its best, %"] > row["target, %"] - 1e-6
        assert (row["ours, s"] is not None) == reached
        assert row["ours, s"] is None or row["ours, s"] > row["ours to prepare, s"]
    num_reached = sum(row["ours, s"] is not None for row in rows)
    assert last["seed"] == f"all: {num_reached} of 2 reached it"


def test_growth(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "of_steps", lambda contestant, device: Bytes(0, contestant.make.args[0].num_tasks ** 2))
    monkeypatch.setattr(memory, "apart", lambda function, *given: function(*given))
    monkeypatch.setitem(growth.STEPS, "joint", make_ours)
    axis = growth.Axis("num_tasks", (1, 2, 4), ("joint",), CASE)
    monkeypatch.setitem(growth.SIZES, "short", growth.Size((axis,), (80, 160), 1, ONCE))
    monkeypatch.setattr(growth, "estimate", lambda cases, effort: [])  # of a whole ResNet-18
    tables = run("e", config, tmp_path)
    assert [row["value"] for row in tables["Steps"]] == [1, 2, 4]
    of_steps, *of_images = tables["Exponents"]
    assert of_steps["exponent of memory"] == pytest.approx(2.0)
    assert [row["of"] for row in of_images] == list(num_images.WORK)


def test_parts_that_are_there_stay(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(part: str) -> None:
        found = {"legend": "", "tables": {"Table": [{"measured": part}]}}
        monkeypatch.setitem(PARTS, part[0], Part("Title", lambda settings: found))
        bench(settings(config.copy_and_resolve_references(), tmp_path, part[0]))

    for part in ("c first", "a", "c again"):
        measure(part)
    (path,) = tmp_path.glob("*.json")
    parts = read_json(path)["parts"]
    measured = {name: part["tables"]["Table"] for name, part in parts.items()}
    assert list(measured.items()) == [("a", [{"measured": "a"}]), ("c", [{"measured": "c again"}])]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("parts", ("a,f",), "parts is 'f', none of the names there are; choose one of a, b, c, d, e"),
        ("parts", (), "parts is empty; name some of a, b, c, d, e"),
        ("form", "ful", "bench.form is 'ful', closest to full; choose one of short, full"),
    ],
)
def test_what_there_is_not_is_refused(config: ConfigDict, field: str, value: Any, sentence: str) -> None:
    config.bench[field] = value
    with pytest.raises(UserError, match=f"^{sentence}"):
        read_bench(config, config.copy_and_resolve_references())


def test_tables_are_refused(config: ConfigDict) -> None:
    for changed in ({"name": "table", "table": "labels.csv"}, {"name": "faces", "tasks": ("Smiling",)}):
        config.data.update(changed)
        with pytest.raises(UserError, match="set name to faces or celeba") as error:
            read_bench(config, config.copy_and_resolve_references())
        assert error.value.argument == "name"


def test_the_first_epoch_that_is_as_good_counts() -> None:
    epochs = [Epoch(10.0, 0.2), Epoch(20.0, 0.3), Epoch(30.0, 0.9)]
    assert time_to_accuracy.first_to_reach(epochs, 0.25) == 20.0
    assert time_to_accuracy.first_to_reach(epochs, 0.1 + 0.2) == 20.0, "which is above 0.3 by the last digit"
    assert time_to_accuracy.first_to_reach(epochs, 0.95) is None


def test_waiting_is_told_from_training() -> None:
    """A loader that takes 20 ms for a batch, 40 ms for the first, and training that takes 5."""

    def batches() -> Iterator[int]:
        time.sleep(0.02)
        for number in range(5):
            time.sleep(0.02)
            yield number

    waits = loading.watch(batches(), lambda batch: time.sleep(0.005), num_steps=3, device=CPU)
    assert waits.first >= 0.04
    assert 0.04 <= waits.waiting < waits.later - 0.009
