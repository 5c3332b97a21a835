"""Tasks of every kind through a run: what it learns, leaves and says; and what the losses' settings do."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ml_collections import ConfigDict

import mtl
from mtl.data import load
from mtl.data.table import Table
from mtl.errors import UserError
from mtl.export.graph import trace
from mtl.metrics import MEANING
from mtl.predict.answers import binary_tasks, make_ask, other_tasks
from mtl.record.paths import run_folder
from mtl.record.reading import read_study
from mtl.record.settings import BEFORE
from mtl.report.document import document
from mtl.statistics import write_results
from mtl.statistics.predictions import read_predictions
from mtl.statistics.tables import tables
from mtl.training.starting import read_run
from tests.mixed import KINDS, NAMES, mixed_config, write_mixed
from tests.tiny import fit, prepare

Files = tuple[ConfigDict, Table]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    root = tmp_path_factory.mktemp("mixed")
    return mixed_config(root, root / "cache"), write_mixed(root / "images")


@pytest.fixture
def config(files: Files, monkeypatch: pytest.MonkeyPatch) -> ConfigDict:
    given, table = files
    monkeypatch.setattr(load, "load_table", lambda data: table)
    return given.copy_and_resolve_references()


@pytest.fixture(scope="module")
def run(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of DST with class weights, smoothing and Huber's loss."""
    workdir, config = tmp_path_factory.mktemp("runs"), files[0].copy_and_resolve_references()
    config.method, config.train.epochs, config.dst.count = "dst", 10, "annotated"
    config.train.update({"class_weights": "balanced", "label_smoothing": 0.1, "regression_loss": "huber"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load_table", lambda data: files[1])
        _, results = fit(config, workdir)
    return run_folder(workdir, "dst", 0), results


def test_learns_all_kinds(run: tuple[Path, dict[str, Any]]) -> None:
    _, results = run
    scores = {task: of["score"] for task, of in results["test"]["tasks"].items()}
    guess = results["test"]["tasks"]["hair"]["majority_accuracy"]
    assert scores["smile"] > 0.75 and scores["hair"] > guess + 0.1 and scores["age"] > 0.2
    assert results["test"]["overall_score"] == pytest.approx(np.mean(list(scores.values())))


def test_the_best_epoch_is_that_of_the_overall_score(run: tuple[Path, dict[str, Any]]) -> None:
    folder, results = run
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    best = max(epochs, key=lambda line: (line["valid"]["overall_score"], -line["epoch"]))
    assert results["best_epoch"] == best["epoch"] and results["valid"] == best["valid"]


def test_predictions_say_what_they_are_of(run: tuple[Path, dict[str, Any]], files: Files) -> None:
    predictions, table = read_predictions(run[0] / "predictions.npz"), files[1]
    rows = table.split == 2
    assert predictions.kinds == KINDS and predictions.logits_NK.shape == (12, 5)
    known = table.mask[rows]
    np.testing.assert_array_equal(predictions.labels_NK[known], table.labels[rows][known].astype(float))
    of_training = table.labels[(table.split == 0) & table.mask[:, 2], 2]
    assert predictions.majority_K[2] == np.median(of_training.astype(float))


def test_the_model_folder_gives_the_runs_outputs_and_says_them(run: tuple[Path, dict[str, Any]]) -> None:
    folder = run[0]
    loaded = mtl.load_model(folder / "model")
    assert loaded.settings.kinds == KINDS
    assert list(loaded.settings.temperatures) == ["smile", "hair"] and list(loaded.settings.thresholds) == ["smile"]
    with np.load(folder / "predictions.npz") as predictions, np.load(folder / "examples.npz") as examples:
        logits, positions, images = predictions["logits"], examples["positions"], torch.from_numpy(examples["images"])
    with torch.no_grad():
        given = mtl.to_module(loaded, "logits")(images).numpy()
        said = mtl.to_module(loaded)(images).numpy()
        graph = trace(loaded).module()(images).numpy()
    np.testing.assert_allclose(given, logits[positions], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(said[:, 1:4].sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(said[:, 4], 40 + 10 * given[:, 4], rtol=1e-5)
    np.testing.assert_allclose(graph, said, rtol=1e-3, atol=1e-4)
    answers = make_ask(loaded, with_saliency=True)(images.numpy())
    assert binary_tasks(loaded.settings) == ("smile",) and list(other_tasks(loaded.settings)) == ["hair", "age"]
    np.testing.assert_allclose([answer.others["hair"] for answer in answers], said[:, 1:4], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose([answer.others["age"][0] for answer in answers], said[:, 4], rtol=1e-4)
    assert answers[0].saliency_KHW is not None and answers[0].saliency_KHW.shape[0] == len(NAMES)


def test_the_card_has_a_table_for_each_kind(run: tuple[Path, dict[str, Any]]) -> None:
    card = (run[0] / "model" / "README.md").read_text()
    assert "hair (black, brown, red)" in card and "macro F1" in card and "mean absolute error" in card
    assert "softmax(logits / T)" in card


def test_a_run_begins_with_the_heads_of_another(run: tuple[Path, dict[str, Any]]) -> None:
    """Weighted tasks have groups of their own, whose names a checkpoint holds."""
    heads = read_run(run[0]).heads
    assert {task: head["bias"].shape[0] for task, (_, head) in heads.items()} == {"smile": 1, "hair": 3, "age": 1}


@pytest.mark.parametrize("method", ["nash_mtl", "single_task"])
def test_methods_train_them(config: ConfigDict, tmp_path: Path, method: str) -> None:
    config.method, config.train.epochs = method, 1
    _, results = fit(config, tmp_path)
    assert all(np.isfinite(of["score"]) for of in results["test"]["tasks"].values())


def test_an_infinite_label_is_a_mistake(
    config: ConfigDict, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, mask = files[1].labels.copy(), files[1].mask.copy()
    labels[3, 2], mask[3, 2] = np.inf, True
    monkeypatch.setattr(load, "load_table", lambda data: files[1]._replace(labels=labels, mask=mask))
    with pytest.raises(UserError, match=r"the label age of 003.png is infinite"):
        prepare(config, tmp_path)


def test_a_label_that_is_not_a_number_is_missing(
    config: ConfigDict, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the table says that it is known."""
    table = files[1]
    monkeypatch.setattr(load, "load_table", lambda data: table._replace(mask=np.ones_like(table.mask)))
    prepared, _ = prepare(config, tmp_path)
    assert np.array_equal(prepared.data.pack.table.mask, table.mask)
    assert np.isfinite(prepared.data.pack.table.labels).all()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("class_weights", "equal", "class_weights is 'equal'"),
        ("label_smoothing", 1.0, r"train.label_smoothing is 1.0; choose a finite number in \[0, 1\)"),
        ("regression_loss", "cubic", "train.regression_loss is 'cubic', none of the names there are"),
    ],
)
def test_a_wrong_loss_is_one_sentence(config: ConfigDict, tmp_path: Path, field: str, value: Any, words: str) -> None:
    config.train[field] = value
    with pytest.raises(UserError, match=words):
        prepare(config, tmp_path)


def test_positives_are_counted_of_binary_tasks_alone(config: ConfigDict, tmp_path: Path) -> None:
    config.method, config.dst.count = "dst", "positives"
    with pytest.raises(UserError, match="count is positives, and hair is a task of classes"):
        prepare(config, tmp_path)


def test_older_runs_had_the_plain_losses(config: ConfigDict) -> None:
    plain = {f"train.{name}": config.train[name] for name in ("class_weights", "label_smoothing", "regression_loss")}
    assert {name: BEFORE[name] for name in plain} == plain


def test_the_report_has_no_word_of_faces(run: tuple[Path, dict[str, Any]]) -> None:
    """Nor of attributes or CelebA, where a study is of a table."""
    workdir = run[0].parents[1]
    described = json.loads((run[0] / "config.json").read_text())
    described["config"]["data"]["name"] = "table"
    (workdir / "config.json").write_text(json.dumps(described))
    results = write_results(workdir, with_comparisons=True)
    assert results["score"] == "score" and MEANING in tables(results)
    body = document(read_study(workdir), {}).partition("#show: report.with")[2]
    assert re.findall(r"\b[Ff]aces?\b|CelebA|attribute", body) == []
    assert "Mean absolute error" in body and "the training split's median" in body
