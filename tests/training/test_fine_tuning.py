"""Frozen parts stand still, others learn at rates of their own, and runs go on from an earlier run's network."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ml_collections import ConfigDict
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._pytree import tree_leaves

from mtl.errors import UserError
from mtl.gradients.levels import make_source
from mtl.losses import binary
from mtl.methods import make_method
from mtl.models.backbones import make_backbone
from mtl.models.heads import parse_taps
from mtl.models.images import augment_and_normalize
from mtl.models.model import Model, make_model, separate
from mtl.optim import Optimizer, adamw, make_schedule, scale_rates, sgd
from mtl.record.paths import run_folder
from mtl.state import TrainState
from mtl.statistics import write_results
from mtl.trained.tensors import write_tensors
from mtl.training import checkpoint, loop
from mtl.training.starting import digest, read_model_folder, read_run
from mtl.training.step import init_state
from tests.same import assert_same_run
from tests.tiny import TASKS, TinyNet, fit, make_batch, make_gates, make_train_step, prepare, study
from tests.training.torchrun_job import dying

CONSTANT = make_schedule("constant", 0.1, 1, 0)
ALL_ON = make_gates(TASKS, True, True, True)
ONE_OFF = make_gates(TASKS, True, False, True)


def frozen_case(
    freeze: tuple[str, ...], optimizer: Optimizer, method: str = "joint", taps: tuple[str, ...] = ("b=stage1",)
) -> tuple[Model, TrainState]:
    task_taps = parse_taps(taps, TASKS, "stage2")
    read = tuple(dict.fromkeys(task_taps.values()))
    trunk = make_backbone("tiny", read, "", seed=0, freeze=freeze)
    model, params, buffers = make_model(trunk, dict.fromkeys(TASKS, binary()), task_taps)
    if method == "single_task":
        model, params, buffers = separate(model, params, buffers, at_once=False)
    return model, init_state(model, params, buffers, optimizer, balancing(method))


def balancing(method: str) -> Any:
    return make_method("joint" if method == "single_task" else method, {})


def part(state: TrainState, name: str) -> dict[str, Tensor]:
    return {key: value for key, value in (state.params.trunk | state.buffers).items() if key.startswith(name)}


def same(one: Any, other: Any) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(tree_leaves(one), tree_leaves(other), strict=True)]


@pytest.mark.parametrize("donate", [False, True])
@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("joint", "features"),
        ("single_task", "features"),
        ("upgrad", "features"),
        ("upgrad", "parameters"),
        ("graddrop", "parameters"),
    ],
)
@pytest.mark.parametrize(("frozen", "learns"), [("stage1", "stage2"), ("stage2", "stage1")])
def test_a_frozen_stage_keeps_its_bits(method: str, level: str, frozen: str, learns: str, donate: bool) -> None:
    model, state = frozen_case((frozen,), adamw(weight_decay=0.1), method)
    assert all(key.startswith(learns) for key in state.params.trunk)
    source = make_source(model, balancing(method), level)
    step = make_train_step(model, adamw(weight_decay=0.1), CONSTANT, balancing(method), source, donate=donate)
    before = [{key: value.clone() for key, value in part(state, name).items()} for name in (frozen, learns)]
    for seed, gates in enumerate((ALL_ON, ONE_OFF)):
        state, _ = step(state, make_batch(seed=seed), gates)
    assert all(same(part(state, frozen), before[0]))
    assert not any(same(part(state, learns), before[1])), "parameters and running statistics of the other stage move"
    assert all(tree.keys() == state.params.trunk.keys() for tree in state.optimizer.trunk.moments.values())


@pytest.mark.parametrize("method", ["joint", "upgrad", "graddrop"])
def test_a_whole_trunk_that_is_frozen(method: str) -> None:
    model, state = frozen_case(("trunk",), adamw(), method)
    step = make_train_step(model, adamw(), CONSTANT, balancing(method), donate=True)
    after, metrics = step(state, make_batch(), ALL_ON)
    assert state.params.trunk == after.params.trunk == {}
    assert all(same(after.buffers, state.buffers))
    assert not any(same(after.params.heads, state.params.heads))
    assert float(metrics.gradient_norm) == 0.0


def test_against_a_plain_loop_with_a_stage_in_evaluation_mode() -> None:
    """And with rates of their own for the stage that learns and for the heads."""
    model, state = frozen_case(("stage1",), sgd(), taps=())
    optimizer = scale_rates(sgd(), dict.fromkeys(state.params.trunk, 0.5))
    step = make_train_step(model, optimizer, CONSTANT, balancing("joint"), heads_rate=2.0)
    trunk = TinyNet()
    trunk.fc = nn.Identity()
    trunk.load_state_dict(state.params.trunk | state.buffers)
    trunk.stage1.eval().requires_grad_(False)
    heads = nn.ModuleList(nn.Linear(6, 1) for _ in TASKS)
    for index, head in enumerate(heads):
        head.load_state_dict({name: value[index] for name, value in state.params.heads["stage2"].items()})
    groups = [{"params": trunk.stage2.parameters(), "lr": 0.05}, {"params": heads.parameters(), "lr": 0.2}]
    peer = torch.optim.SGD(groups, momentum=0.9)
    for number in range(4):
        batch = make_batch(num_images=8, seed=number)
        features = trunk(augment_and_normalize(batch.inputs, batch.augmentation))
        losses = []
        for task, head in zip(TASKS, heads, strict=True):
            known = batch.mask[task] > 0
            losses.append(binary_cross_entropy_with_logits(head(features)[known, 0], batch.labels[task][known]))
        peer.zero_grad()
        torch.stack(losses).sum().backward()
        peer.step()
        state, _ = step(state, batch, ALL_ON)
    for name, value in trunk.state_dict().items():
        torch.testing.assert_close((state.params.trunk | state.buffers)[name], value, rtol=1e-3, atol=1e-4)
    for index, head in enumerate(heads):
        for name, value in head.state_dict().items():
            torch.testing.assert_close(state.params.heads["stage2"][name][index], value, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def earlier(celeba_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    from tests.tiny import tiny_config

    config = tiny_config(celeba_files, celeba_files.parent / "cache")
    config.train.epochs = 1
    folder = tmp_path_factory.mktemp("earlier")
    fit(config, folder)
    return run_folder(folder, "joint", 0)


@pytest.fixture
def from_earlier(config: ConfigDict, earlier: Path) -> ConfigDict:
    config.model.weights, config.train.epochs = str(earlier), 1
    return config


def best(run: Path) -> dict[str, Tensor]:
    return checkpoint.read_tensors(run / "checkpoint" / "best.pt")


def test_a_run_begins_with_an_earlier_one(
    from_earlier: ConfigDict, earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trunk, statistics and heads; heads of other tasks, and of tasks that read another stage now, are random."""
    found = best(earlier)
    _, state = prepare(from_earlier, tmp_path / "all")
    assert "12 tensors of the trunk; heads of a, b, c\n" in capsys.readouterr().out
    for name, value in state.params.trunk.items():
        assert torch.equal(value, found[f"[0].trunk['{name}']"])
    for name, value in state.buffers.items():
        assert torch.equal(value, found[f"[1]['{name}']"])
    assert all(
        torch.equal(of, found[f"[0].heads['stage2']['{key}']"]) for key, of in state.params.heads["stage2"].items()
    )

    from_earlier.data.attributes, from_earlier.model.taps = ("c", "a"), ("c=stage1",)
    _, state = prepare(from_earlier, tmp_path / "some")
    line = "heads of a; random heads for c; not taken: the head of b, the head of c\n"
    assert line in capsys.readouterr().out
    assert torch.equal(state.params.heads["stage2"]["weight"][0], found["[0].heads['stage2']['weight']"][0])
    from_earlier.model.reuse_heads = False
    _, state = prepare(from_earlier, tmp_path / "trunk")
    assert not torch.equal(state.params.heads["stage2"]["weight"][0], found["[0].heads['stage2']['weight']"][0])
    from_earlier.method = "single_task"
    _, state = prepare(from_earlier, tmp_path / "single")
    assert torch.equal(state.params.trunk["stage1.0.weight"][1], found["[0].trunk['stage1.0.weight']"])


def test_a_network_of_a_run_with_frozen_parts_is_read_whole(
    from_earlier: ConfigDict, earlier: Path, tmp_path: Path
) -> None:
    from_earlier.train.freeze = ("stage1",)
    fit(from_earlier, tmp_path)
    again = read_run(run_folder(tmp_path, "joint", 0))
    assert again.trunk.keys() == read_run(earlier).trunk.keys()
    assert torch.equal(again.trunk["stage1.0.weight"], best(earlier)["[0].trunk['stage1.0.weight']"])


def test_a_model_folder_is_its_run(earlier: Path) -> None:
    of_run, of_folder = read_run(earlier), read_model_folder(earlier / "model")
    assert of_run.trunk.keys() == of_folder.trunk.keys()
    assert all(torch.equal(of_folder.trunk[name], value) for name, value in of_run.trunk.items())
    assert of_run.heads.keys() == of_folder.heads.keys()
    for task, (tap, head) in of_run.heads.items():
        assert of_folder.heads[task][0] == tap
        assert all(same(of_folder.heads[task][1], head))
    assert digest(of_run) == digest(of_folder)


def test_weights_from_a_safetensors_file(config: ConfigDict, tmp_path: Path) -> None:
    tensors = TinyNet().state_dict()
    write_tensors(tmp_path / "weights.safetensors", {f"backbone.{name}": value for name, value in tensors.items()})
    config.model.weights = str(tmp_path / "weights.safetensors")
    _, state = prepare(config, tmp_path / "out")
    assert all(torch.equal(value, tensors[name]) for name, value in state.params.trunk.items())


@pytest.mark.parametrize("method", ["dst", "upgrad"])
def test_killed_runs_with_frozen_parts_end_with_the_same_bits(
    from_earlier: ConfigDict, tmp_path: Path, method: str
) -> None:
    from_earlier.method, from_earlier.train.freeze = method, ("stage1",)
    from_earlier.train.learning_rates, from_earlier.train.checkpoint_seconds = ("heads=10", "stage2=0.1"), 0.0
    from_earlier.gradients.level = "parameters"
    fit(from_earlier, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(loop, "prepare", dying(loop.prepare, 3, lambda: 1 // 0))
        fit(from_earlier, tmp_path / "killed")
    fit(from_earlier, tmp_path / "killed")
    assert_same_run(run_folder(tmp_path / "whole", method, 0), run_folder(tmp_path / "killed", method, 0))


def test_a_study_from_one_trunk_notices_another_file_of_its_name(
    config: ConfigDict, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path / "trunk.pt"
    torch.save(TinyNet().state_dict(), path)
    config.model.weights, config.train.epochs = str(path), 1
    config.study.methods, config.study.seeds = ("joint", "dst"), (0,)
    study(config, tmp_path / "out")
    described = [
        json.loads((run_folder(tmp_path / "out", name, 0) / "config.json").read_text()) for name in ("joint", "dst")
    ]
    assert described[0]["weights"] == described[1]["weights"]

    torch.save(TinyNet().state_dict(), path)
    config.study.methods = ("joint", "dst", "upgrad")
    with pytest.raises(UserError, match=r"(joint|dst)/seed_0 began with other numbers than \S+trunk.pt holds now"):
        study(config, tmp_path / "out")
    config.study.methods = ("joint",)
    study(config, tmp_path / "other")
    shutil.rmtree(tmp_path / "out" / "joint")
    shutil.copytree(tmp_path / "other" / "joint", tmp_path / "out" / "joint")
    with pytest.raises(UserError, match="that held different numbers"):
        write_results(tmp_path / "out", with_comparisons=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train.freeze": ("stage3",)},
            r"freeze is 'stage3', closest to stage2, stage1; choose one of stage1, stage2, trunk",
        ),
        ({"train.learning_rates": ("headz=3",)}, "closest to heads; choose one of stage1, stage2, heads"),
        ({"train.learning_rates": ("heads=0",)}, "write group=multiplier with a number above 0"),
        ({"train.learning_rates": ("heads=nan",)}, "write group=multiplier with a number above 0"),
        ({"train.learning_rates": ("heads",)}, "write group=multiplier"),
        ({"train.learning_rates": ("heads=1", "heads=2")}, "names 'heads' twice"),
        (
            {"train.freeze": ("trunk",), "train.learning_rates": ("stage1=2",)},
            "'stage1', which freeze lets stand still",
        ),
        (
            {"train.freeze": ("trunk",), "gradients.level": "parameters", "method": "upgrad"},
            "all of the trunk is frozen",
        ),
        ({"model.width": 0.5}, r"\(of tiny of width 1\) does not fit tiny of width 0.5: .* another width, about 1"),
        ({"model.backbone": "resnet18"}, r"does not fit resnet18 .*, so it is of another backbone"),
    ],
)
def test_mistakes_get_one_sentence(
    from_earlier: ConfigDict, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    from_earlier.update_from_flattened_dict(change)
    with pytest.raises(UserError, match=message):
        fit(from_earlier, tmp_path / "out")
    assert not (tmp_path / "out" / "joint" / "seed_0" / "config.json").exists()


def cut_best(run: Path) -> None:
    path = run / "checkpoint" / "best.pt"
    path.write_bytes(path.read_bytes()[:100])


def no_best(run: Path) -> None:
    (run / "checkpoint" / "best.pt").unlink()


def single_task(run: Path) -> None:
    described = json.loads((run / "config.json").read_text())
    described["config"]["method"] = "single_task"
    (run / "config.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_best, "best.pt cannot be read"),
        (no_best, "is not the folder of a run"),
        (single_task, "a network per task"),
    ],
)
def test_runs_that_cannot_be_begun_with(
    earlier: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    copy = shutil.copytree(earlier, tmp_path / "run")
    damage(copy)
    with pytest.raises(UserError, match=message):
        read_run(copy)
