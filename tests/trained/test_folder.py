"""A run's model folder: loaded, it says what the run said, bit for bit; a wrong one is refused in a sentence."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ml_collections import ConfigDict
from torch import Tensor, nn

import mtl
from mtl.config import read_run
from mtl.data.load import load_pack
from mtl.errors import UserError
from mtl.models.architectures import ARCHITECTURES, Architecture
from mtl.models.images import normalize
from mtl.models.stages import Stage
from mtl.models.weights import build_network
from mtl.record.paths import run_folder
from mtl.trained import network
from mtl.trained.folder import Loaded, load_model
from mtl.trained.module import to_module
from mtl.trained.naming import named_parameters, unnamed
from mtl.trained.network import build
from mtl.trained.tensors import read_tensors, write_tensors
from mtl.training.evaluation import BATCH_SIZE
from tests.tiny import SIZE, TASKS, fit, tiny_config
from tests.trained.tiny_folder import tiny_settings

FORMS: dict[str, dict[str, Any]] = {
    "joint": {},
    "taps": {"model.taps": ("b=stage1",), "model.head": "mlp", "model.hidden": 5, "train.mirrored": True},
    "single_task": {"method": "single_task"},
    "bfloat16": {"train.precision": "bfloat16"},
    "dropout": {"model.backbone": "tiny_with_dropout", "model.width": 0.5},
}


def build_with_dropout(weights: None) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout(0.5))


ARCHITECTURES["tiny_with_dropout"] = Architecture(build_with_dropout, {"end": Stage("2", 1)})


def train(files: Path, folder: Path, changed: dict[str, Any]) -> tuple[Path, ConfigDict]:
    config = tiny_config(files, files.parent / "cache")
    config.train.epochs = 1
    config.update_from_flattened_dict(changed)
    fit(config, folder)
    return run_folder(folder, config.method, 0), config


def test_images(config: ConfigDict) -> Tensor:
    """The test split as the run saw it: one batch, filled up with its last image."""
    pack = load_pack(read_run(config).data)
    rows = np.flatnonzero(pack.table.split == 2)
    padded = np.pad(rows, (0, BATCH_SIZE - len(rows)), mode="edge")
    return torch.from_numpy(np.asarray(pack.images_NCHW)[padded])


test_images.__test__ = False  # type: ignore[attr-defined]


def predict(loaded: Loaded, images: Tensor) -> Tensor:
    step = mtl.make_predict_step(loaded.model, normalize, loaded.settings.mirrored)
    return torch.cat(list(step(loaded.params, loaded.buffers, images).values()), dim=1)


def calibrated(loaded: Loaded, images: Tensor) -> Tensor:
    return torch.sigmoid(predict(loaded, images) / torch.tensor([*loaded.settings.temperatures.values()]))


@pytest.mark.parametrize("form", [*FORMS])
def test_loaded_it_says_what_the_run_said(celeba_files: Path, tmp_path: Path, form: str) -> None:
    run, config = train(celeba_files, tmp_path, FORMS[form])
    logits = torch.from_numpy(np.load(run / "predictions.npz")["logits"])
    images = test_images(config)
    loaded = load_model(run / "model")
    assert torch.equal(predict(loaded, images)[: len(logits)], logits)
    module = copy.deepcopy(to_module(loaded, "logits"))
    with torch.no_grad():
        assert torch.equal(module(images)[: len(logits)], logits)
    tensors = read_tensors(run / "model/model.safetensors")
    state = module.state_dict()
    assert state.keys() == tensors.keys() and all(torch.equal(state[name], tensors[name]) for name in state)


@pytest.fixture(scope="module")
def run(celeba_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(celeba_files, tmp_path_factory.mktemp("run"), {})[0]


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    """A copy of a model folder, to be spoilt."""
    return Path(shutil.copytree(run / "model", tmp_path / "model"))


def test_what_is_in_the_folder(run: Path) -> None:
    assert {path.name for path in (run / "model").iterdir()} == {"model.safetensors", "config.json", "README.md"}
    names = read_tensors(run / "model/model.safetensors").keys()
    assert {"trunk.stage1.0.weight", "trunk.stage2.1.running_mean", "heads.a.weight", "heads.c.bias"} <= names
    settings = load_model(run / "model").settings
    assert settings.tasks == TASKS and settings.backbone == "tiny" and settings.image_size == SIZE
    described = json.loads((run / "config.json").read_text())
    assert settings.trained["fingerprint"] == described["fingerprint"]
    assert settings.trained["best_epoch"] == 1


def test_the_card_is_what_the_hub_reads_and_has_the_scores(run: Path) -> None:
    card = (run / "model/README.md").read_text()
    _, front, text = card.split("---\n", 2)
    meta = yaml.safe_load(front)
    results, settings = json.loads((run / "results.json").read_text()), load_model(run / "model").settings
    test, decided = results["test"], results["decisions"]["test"]
    assert settings.temperatures == results["decisions"]["temperatures"]
    assert settings.thresholds == results["decisions"]["thresholds"]
    metrics = {metric["type"]: metric["value"] for metric in meta["model-index"][0]["results"][0]["metrics"]}
    assert meta["pipeline_tag"] == "image-classification" and meta["license"] == "unknown"
    assert metrics["accuracy"] == pytest.approx(test["overall_accuracy"], abs=1e-4)
    for task in TASKS:
        scored, calibrated = [line for line in text.splitlines() if line.startswith(f"| {task} ")]
        assert f"| {100 * test['tasks'][task]['accuracy']:.1f} (" in scored
        assert f"| {100 * decided['balanced_accuracy']['after']['tasks'][task]:.1f} (" in scored
        cells = [cell.strip() for cell in calibrated.split("|")[2:-1]]
        errors = [100 * decided["expected_calibration_error"][when]["tasks"][task] for when in ("before", "after")]
        expected = [settings.temperatures[task], settings.thresholds[task], *errors]
        assert [float(cell) for cell in cells] == pytest.approx(expected, abs=0.051)
    for heading in ("Data", "Training", "Scores", "Limits and bias", "Intended use"):
        assert f"\n## {heading}\n" in text


def test_an_ordinary_module(run: Path) -> None:
    loaded = load_model(run / "model")
    module = to_module(loaded)
    images = torch.randint(256, (6, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert not module.training
    with torch.no_grad():
        assert torch.equal(module(images), calibrated(loaded, images))
    before = loaded.buffers["stage1.1.running_mean"].clone()
    module.train()(images).sum().backward()
    assert all(value.grad is not None for value in module.parameters())
    assert not torch.equal(module.state_dict()["trunk.stage1.1.running_mean"], before)
    assert torch.equal(loaded.buffers["stage1.1.running_mean"], before)
    module.load_state_dict(read_tensors(run / "model/model.safetensors"))
    with torch.no_grad():
        assert torch.equal(module.eval()(images), calibrated(loaded, images))
    with pytest.raises(UserError, match=r"^outputs is 'logit', closest to logits;"):
        to_module(loaded, "logit")


def test_the_temperature_is_in_the_probabilities(folder: Path) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    values["temperatures"] = {"a": 1.0, "b": 2.0, "c": 0.5}
    path.write_text(json.dumps(values))
    loaded, images = load_model(folder), torch.zeros(2, 3, SIZE, SIZE, dtype=torch.uint8)
    with torch.no_grad():
        expected = torch.sigmoid(predict(loaded, images) / torch.tensor([1.0, 2.0, 0.5]))
        assert torch.equal(to_module(loaded)(images), expected)


def test_another_normalisation_is_heeded(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace("0.485", "0.5"))
    images = torch.zeros(2, 3, SIZE, SIZE, dtype=torch.uint8)
    assert normalize(images, (0.5, 0.456, 0.406))[0, 0, 0, 0] == pytest.approx(-0.5 / 0.229)
    loaded = load_model(folder)
    with torch.no_grad():
        assert not torch.equal(to_module(loaded, "logits")(images), predict(loaded, images))


def test_half_precision_becomes_float32(folder: Path) -> None:
    path = folder / "model.safetensors"
    halves = {name: value.half() if value.is_floating_point() else value for name, value in read_tensors(path).items()}
    write_tensors(path, halves)
    loaded = load_model(folder)
    assert torch.equal(loaded.params.trunk["stage1.0.weight"], halves["trunk.stage1.0.weight"].float())


def test_a_network_without_numbers_takes_none_of_the_weights() -> None:
    empty = build_network(lambda weights: torch.nn.Linear(2, 1), filled=False)
    assert all(value.device.type == "meta" for value in empty.parameters())


def test_a_task_may_be_called_as_a_part_of_every_module_is() -> None:
    settings = tiny_settings(("training", "forward"))
    model, params, buffers = build(settings, torch.device("cpu"))
    like = {name: torch.zeros(value.shape) for name, value in named_parameters(model, params).items()}
    loaded = Loaded(model, *unnamed(model, params.heads, like, {}), settings)
    filled = {name: torch.zeros(value.shape) for name, value in buffers.items()}
    module = to_module(loaded._replace(buffers=filled))
    assert not any(part.training for part in module.modules())
    assert all(part.training for part in module.train().modules())
    assert set(module.state_dict()) >= {"heads.training.weight", "heads.forward.bias"}


@pytest.mark.parametrize("transforms", [False, True])
def test_the_trunk_of_a_folder_treats_images_as_the_runs_did(monkeypatch: pytest.MonkeyPatch, transforms: bool) -> None:
    given: list[str] = []
    monkeypatch.setattr(network, "make_backbone", lambda *arguments, **_: given.append(arguments[2]) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(tiny_settings(weights="earlier.pt", transforms_input=transforms), torch.device("cpu"))
    assert given == ["earlier.pt" if transforms else ""]


def change(field: str, value: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        values = json.loads(path.read_text())
        if value is None:
            del values[field]
        else:
            values[field] = value
        path.write_text(json.dumps(values))

    return spoil


def retouch(name: str, new: Callable[[Tensor], Tensor] | None) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        tensors = read_tensors(path)
        value = tensors.pop(name, torch.zeros(1))
        write_tensors(path, tensors | ({name: new(value)} if new else {}))

    return spoil


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-1]) and None


WRONG: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: (folder / "config.json").unlink(), "model is no model folder, for it has no config.json: give the"),
    (lambda folder: (folder / "model.safetensors").unlink(), "for it has no model.safetensors: give the folder named"),
    (lambda folder: shutil.rmtree(folder), "model is no model folder"),
    (cut("model.safetensors"), r"model.safetensors is damaged \(its tensors end before or behind the file\)"),
    (lambda folder: (folder / "config.json").write_text("{"), r"config.json is damaged \(Expecting"),
    (lambda folder: (folder / "config.json").write_bytes(b"[" * 10**6), "nested without end"),
    (lambda folder: (folder / "config.json").write_bytes(b" " * (10**7 + 1)), "longer than 10000000 bytes"),
    (change("format", 3), r"its format is 3, this one's 2\): give the folder named model of a finished run"),
    (change("backbone", None), "'backbone' is missing"),
    (change("extra", 1), "'extra' is a field that there is not"),
    (change("backbone", "tinny"), "backbone is 'tinny', which is no classification network"),
    (change("backbone", 3), "backbone is 3, not a name"),
    (change("width", 1e6), r"has shape \[.*\], and config.json asks for"),
    (change("width", float("inf")), "Infinity is no JSON"),
    (change("hidden", 2**40), "hidden is 1099511627776, not a whole number from 1 to"),
    (change("head", "mlp"), "it lacks heads.a.0.bias, as config.json describes it"),
    (change("image_size", 10**6), "image_size is 1000000, not a whole number from 1 to 4096"),
    (change("crop", "round"), "crop is 'round', not one of full, square"),
    (change("std", [1, 1, 0]), r"std is \[1, 1, 0\], not three numbers above 0"),
    (change("separate", 1), "separate is 1, not true or false"),
    (change("separate", True), r"has shape \[.*\], and config.json asks for \[3, "),
    (change("tasks", []), r"tasks is \[\], not a list of tasks with names"),
    (change("tasks", [{"name": "a", "kind": "classes", "num_classes": 5}]), "not a list of tasks with names"),
    (change("thresholds", {"a": 0.5}), "thresholds does not name the binary tasks, in their order"),
    (change("thresholds", {"a": 0.5, "b": 2, "c": 0}), "not numbers from 0 to 1 for tasks"),
    (change("temperatures", {"a": 0, "b": 1, "c": 1}), "not numbers above 0 for tasks"),
    (change("taps", {"a": "stage9", "b": "stage2", "c": "stage2"}), "taps names 'stage9'; tiny can be tapped at"),
    (retouch("heads.b.weight", None), "it lacks heads.b.weight, as config.json describes it"),
    (retouch("heads.d.weight", lambda _: torch.zeros(1)), "its heads.d.weight is no part of that network"),
    (
        retouch("heads.b.bias", lambda _: torch.zeros(2)),
        r"heads.b.bias has shape \[2\], and config.json asks for \[1\]",
    ),
    (retouch("heads.b.bias", lambda value: value.long()), "heads.b.bias is int64, and config.json asks for float32"),
]


@pytest.mark.parametrize(("spoil", "words"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_folder_is_one_sentence(folder: Path, spoil: Callable[[Path], Any], words: str) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=words) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_the_folder_of_the_run_is_not_that_of_its_model(run: Path) -> None:
    with pytest.raises(
        UserError, match=f"^{run} is no model folder, for it has no model.safetensors: give {run}/model$"
    ):
        load_model(run)
