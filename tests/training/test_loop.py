"""A run: what it leaves behind, that it learns, and that it ends with the same bits however often it is killed."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ml_collections import ConfigDict
from PIL import Image
from torch.utils._pytree import tree_leaves

from mtl import dst, gating
from mtl.errors import UserError
from mtl.launchers.shards import Shard
from mtl.record import files
from mtl.record.paths import run_folder
from mtl.statistics import write_results
from mtl.training import checkpoint
from tests.same import assert_same_run, read_lines
from tests.tiny import TASKS, fit, prepare, study, write_celeba
from tests.training.steps import wrap_steps

FILES = {"config.json", "metrics.jsonl", "results.json", "predictions.npz", "logits.npz", "examples.npz", "checkpoint"}
FILES |= {"model"}


def with_method(config: ConfigDict, method: str) -> ConfigDict:
    config.method = method
    return config


def test_leaves_what_the_architecture_lists(config: ConfigDict, tmp_path: Path) -> None:
    state, results = fit(with_method(config, "dst"), tmp_path)
    folder = run_folder(tmp_path, "dst", 0)
    assert {path.name for path in folder.iterdir()} == FILES | {"dst.jsonl"}
    assert results == json.loads((folder / "results.json").read_text())
    assert set(results) == set(
        "method seed tasks split_sizes best_epoch epochs train_seconds images_per_second device versions "
        "valid test decisions".split()
    )
    assert results["split_sizes"] == {"train": 36, "valid": 12, "test": 12}
    assert set(results["test"]) == {"overall_accuracy", "balanced_accuracy", "exact_match", "tasks"}
    assert set(results["test"]["tasks"]["a"]) == set(
        "accuracy balanced_accuracy f1 average_precision positives count majority_accuracy".split()
    )
    assert int(state.step) == 3 * 6
    lines = read_lines(folder / "metrics.jsonl")
    assert [line["step"] for line in lines if line["kind"] == "step"] == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    best = max(epochs, key=lambda line: (line["valid"]["overall_accuracy"], -line["epoch"]))
    assert results["best_epoch"] == best["epoch"]
    assert results["valid"] == best["valid"]
    predictions = np.load(folder / "predictions.npz")
    assert predictions["logits"].shape == (12, 3)
    right = (predictions["logits"] > 0) == predictions["labels"]
    assert results["test"]["overall_accuracy"] == pytest.approx(right.mean())


def test_learns(config: ConfigDict, tmp_path: Path) -> None:
    config.train.epochs = 12
    _, results = fit(config, tmp_path)
    assert results["test"]["overall_accuracy"] > 0.85


@pytest.mark.parametrize("measure", ["probe", "running"])
def test_dst_log_is_algorithm_1_of_its_own_losses(config: ConfigDict, tmp_path: Path, measure: str) -> None:
    config.dst.measure = measure
    config.dst.weights.update(
        {"incompleteness": 0.4, "stagnancy": 0.3, "depth": 0.1, "count": 0.1, "regularization": 0.1}
    )
    config.model.taps = ("b=stage1",)
    fit(with_method(config, "dst"), tmp_path)
    lines = read_lines(run_folder(tmp_path, "dst", 0) / "dst.jsonl")
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    state = None
    for line in lines:
        static = dst.Static(line["depth"], line["count"], dst.Weights(**line["weights"]), line["beta"])
        state, account = dst.update(state, line["V"], static)
        for field in ("I", "P_d", "P_c", "P_u", "R", "R_global", "P_r", "P_b", "P"):
            assert line[field] == pytest.approx(getattr(account, field), abs=1e-6)
    assert lines[0]["depth"] == {"a": 3, "b": 2, "c": 3}
    assert lines[0]["count"] == dict.fromkeys(TASKS, 36)
    epochs = [line for line in read_lines(run_folder(tmp_path, "dst", 0) / "metrics.jsonl") if line["kind"] == "epoch"]
    assert [line["gates"] for line in epochs] == [line["G"] for line in lines]
    if measure == "running":
        assert [line["V"] for line in lines[1:]] == [line["losses"] for line in epochs[:-1]]


def test_metrics_of_ours_follow_from_the_epoch_before(config: ConfigDict, tmp_path: Path) -> None:
    """Both are logged and decide; the last epoch keeps every task; heads that begin at 0 have V_1 = ln 2."""
    config.dst.weights.update(
        {"incompleteness": 0.0, "stagnancy": 0.0, "depth": 0.0, "count": 0.0, "agreement": 0.4, "signal": 0.4}
    )
    config.dst.keep_last, config.model.head_init = 1, "zero"
    fit(with_method(config, "dst"), tmp_path)
    lines = read_lines(run_folder(tmp_path, "dst", 0) / "dst.jsonl")
    assert lines[0]["V"] == pytest.approx(dict.fromkeys(TASKS, math.log(2.0)))
    assert [line["ours"]["signal"]["x"] is None for line in lines] == [True, False, False]
    state = None
    for line in lines:
        static = dst.Static(line["depth"], line["count"], dst.Weights(**line["weights"]), line["beta"])
        seen = {name: of["x"] for name, of in line["ours"].items() if of["x"] is not None}
        state, account = dst.update(state, line["V"], static, seen)
        assert line["P"] == (dict.fromkeys(TASKS, 1.0) if line.get("kept") else account.P)
    assert all(-1.0 <= x <= 1.0 for line in lines[1:] for of in line["ours"].values() for x in of["x"].values())
    assert lines[2]["kept"] and lines[1]["P"] != dict.fromkeys(TASKS, 1.0)


def test_heads_at_the_base_rate(config: ConfigDict, tmp_path: Path) -> None:
    """V_1 would be the entropy of the share of positives, (n + 1) / (N + 2), but for the network's batches."""
    config.model.head_init = "base_rate"
    run, state = prepare(config, tmp_path)
    table, rows = run.data.pack.table, run.data.rows["train"]
    shares = (table.labels[rows].sum(0) + 1) / (len(rows) + 2)
    (head,) = state.params.heads.values()
    assert not head["weight"].any()
    assert head["bias"].squeeze().sigmoid().tolist() == pytest.approx(shares.tolist())


def test_gates_drawn_per_step(config: ConfigDict, tmp_path: Path) -> None:
    """Each step has its own draw; G is their mean, and the same in both logs."""
    config.dst.period = "step"
    config.dst.weights.update(
        {"incompleteness": 1.0, "stagnancy": 0.0, "depth": 0.0, "count": 0.0, "regularization": 0.0}
    )
    fit(with_method(config, "dst"), tmp_path)
    folder = run_folder(tmp_path, "dst", 0)
    lines = read_lines(folder / "dst.jsonl")
    epochs = [line for line in read_lines(folder / "metrics.jsonl") if line["kind"] == "epoch"]
    assert [line["gates"] for line in epochs] == [line["G"] for line in lines]
    for line in lines:
        uniforms = [gating.uniforms("dst", 0, line["epoch"], tuple(line["P"]), step) for step in range(6)]
        draws = [dst.sample_gates(line["P"], each)[0] for each in uniforms]
        assert line["G"] == {task: sum(draw[task] for draw in draws) / 6 for task in TASKS}
    assert any(0 < gate < 1 for line in lines for gate in line["G"].values())


def test_examples_show_the_faces_that_they_name(config: ConfigDict, tmp_path: Path) -> None:
    run, _ = prepare(config, tmp_path)
    fit(config, tmp_path)
    folder = run_folder(tmp_path, "joint", 0)
    examples, predictions = np.load(folder / "examples.npz"), np.load(folder / "predictions.npz")
    assert examples["images"].shape == (12 + 3, 3, 8, 8) and examples["evidence"].shape == (12 + 3, 3, 8, 8)
    assert int(examples["num_random"]) == 12
    rows = run.data.rows["test"][examples["positions"]]
    assert np.array_equal(examples["images"], np.asarray(run.data.pack.images_NCHW)[rows])
    wrongness = np.where(predictions["labels"], -predictions["logits"], predictions["logits"])
    assert np.array_equal(examples["positions"][12:], wrongness.argmax(axis=0))
    assert (examples["evidence"].max(axis=(2, 3)) == 255).all()


def test_dst_with_every_gate_open_is_joint_training(config: ConfigDict, tmp_path: Path) -> None:
    joint, _ = fit(config, tmp_path / "joint")
    config.dst.weights.update(
        {"incompleteness": 0.0, "stagnancy": 0.0, "depth": 0.5, "count": 0.0, "regularization": 0.5}
    )
    open_dst, _ = fit(with_method(config, "dst"), tmp_path / "dst")
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(joint), tree_leaves(open_dst), strict=True))


class Killed(Exception):
    """Stands for the death of the process."""


def die_at_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Lets the run die in the middle of its n-th step from now."""

    def dying(step: Callable[..., Any], call: int, *arguments: Any) -> Any:
        if call == number:
            raise Killed
        return step(*arguments)

    wrap_steps(monkeypatch, dying)


def die_in(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int, after: bool) -> None:
    """Lets the run die before or after the n-th call of a function."""
    function: Callable[..., Any] = getattr(module, name)
    calls = 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            raise Killed
        result = function(*args, **options)
        if calls == number:
            raise Killed
        return result

    monkeypatch.setattr(module, name, dying)


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
@pytest.mark.parametrize("method", ["uncertainty", "dst", "moco", "upgrad"])
def test_killed_at_every_step(config: ConfigDict, tmp_path: Path, method: str, checkpoint_seconds: float) -> None:
    config.train.epochs = 2
    config.dst.measure = "running"
    if method == "upgrad":  # goes on with what it saw before it was killed
        config.gradients.update({"level": "parameters", "every": 3})
    fit(with_method(config, method), tmp_path / "whole")
    config.train.checkpoint_seconds = checkpoint_seconds
    for number in (1, 2, 3, 6, 7):  # a life ends in its 1st, 2nd ... step; the next goes on
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            die_at_step(patch, number)
            fit(config, tmp_path / "killed")
        if checkpoint_seconds == 0.0 and number == 6:
            break  # 1 + 2 + 3 + 6 steps, each kept: this run is done
    fit(config, tmp_path / "killed")
    assert_same_run(run_folder(tmp_path / "whole", method, 0), run_folder(tmp_path / "killed", method, 0))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "name", ["checkpoint.save", "checkpoint.save_file", "files.write_json", "files.write_atomically"]
)
def test_killed_around_every_write(config: ConfigDict, tmp_path: Path, name: str, after: bool) -> None:
    modules = {"checkpoint": checkpoint, "files": files}
    place, name = name.split(".")
    config.train.epochs = 2
    fit(with_method(config, "dst"), tmp_path / "whole")
    num_deaths = 0
    for number in (1, 2, 3, 1):  # a life ends at its 1st write, the next at its 2nd, ..., if it has so many
        with pytest.MonkeyPatch.context() as patch:
            die_in(patch, modules[place], name, number, after)
            try:
                fit(config, tmp_path / "killed")
            except Killed:
                num_deaths += 1
    assert num_deaths > 0
    fit(config, tmp_path / "killed")
    assert_same_run(run_folder(tmp_path / "whole", "dst", 0), run_folder(tmp_path / "killed", "dst", 0))


STUDY = """
import os, signal, sys
from pathlib import Path
from mtl.training import loop as train
from tests.tiny import study, tiny_config
from tests.training.torchrun_job import dying
root, cache, workdir = sys.argv[1:]
config = tiny_config(Path(root), Path(cache))
config.study.methods, config.study.seeds, config.train.checkpoint_seconds = ("joint", "dst"), (0,), 0.0
train_steps = train.train_steps
def pausing(run, *rest):
    if run.settings.method == "dst":
        print("training", flush=True)
        sys.stdin.readline()
    return train_steps(run, *rest)
train.train_steps = pausing
train.prepare = dying(train.prepare, 18 + 8, lambda: os.kill(os.getpid(), signal.SIGKILL))
study(config, Path(workdir))
"""


def test_a_second_process_disturbs_nothing_and_goes_on_after_sigkill(config: ConfigDict, tmp_path: Path) -> None:
    """While a study is in its second run: a shard with that run, another training of it, and a report's results.

    Then the first process is killed in that run's second epoch, by the real signal. It has as many threads as this.
    """
    workdir = tmp_path / "out"
    command = [sys.executable, "-c", STUDY, config.data.root, config.data.cache, str(workdir)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    config.study.methods, config.study.seeds = ("joint", "dst"), (0,)
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as first:
        assert first.stdout is not None
        assert "training\n" in first.stdout
        said = study(config, workdir, shard=Shard(1, 1))
        assert said.startswith("Shard 1/1 has trained its runs, but for those that other processes train. 1 of 2 runs")
        with pytest.raises(UserError, match=f"^{workdir}/dst/seed_0 is in use by process {first.pid} on "):
            fit(with_method(config, "dst"), workdir)
        assert list(write_results(workdir, with_comparisons=True)["methods"]) == ["joint"]
        first.communicate("\n", timeout=900)
    assert first.returncode == -signal.SIGKILL
    steps = [line for line in read_lines(run_folder(workdir, "dst", 0) / "metrics.jsonl") if line["kind"] == "step"]
    assert [line["step"] for line in steps] == [2, 4, 6]
    for folder in (workdir, tmp_path / "alone"):
        study(config, folder)
    for method in ("joint", "dst"):
        assert_same_run(run_folder(tmp_path / "alone", method, 0), run_folder(workdir, method, 0))
    names = [sorted(path.name for path in folder.iterdir()) for folder in (workdir, tmp_path / "alone")]
    assert names == [["config.json", "dst", "joint", "results.json"]] * 2


def test_a_finished_study_is_printed_without_its_data(own_files: ConfigDict, tmp_path: Path) -> None:
    own_files.study.methods, own_files.study.seeds = ("joint",), (0,)
    table = study(own_files, tmp_path / "out")
    shutil.rmtree(own_files.data.root)
    assert study(own_files, tmp_path / "out") == table


def test_a_finished_run_is_only_read(config: ConfigDict, tmp_path: Path) -> None:
    first = fit(config, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = fit(config, tmp_path)
    assert again[1] == first[1]
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(first[0]), tree_leaves(again[0]), strict=True))
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}


def test_another_configuration_is_refused(config: ConfigDict, tmp_path: Path) -> None:
    fit(config, tmp_path)
    config.train.log_every, config.study.seeds = 5, (0, 1)  # these change no number of the run
    fit(config, tmp_path)
    config.train.learning_rate = 0.5
    with pytest.raises(UserError, match=r"\(train\.learning_rate = 0\.03, not 0\.5\): choose another workdir"):
        fit(config, tmp_path)


def replace_images(root: Path) -> None:
    for path in (root / "img_align_celeba").iterdir():
        Image.new("RGB", (10, 10), "red").save(path)


def remove_image(root: Path) -> None:
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        lines = (root / name).read_text().splitlines()[:-1]
        (root / name).write_text("\n".join(["59", *lines[1:]] if name == "list_attr_celeba.txt" else lines))


def invert_training_labels(root: Path) -> None:
    path = root / "list_attr_celeba.txt"
    lines = path.read_text().splitlines()
    swap = lambda line: line.replace(" -1", " x").replace(" 1", " -1").replace(" x", " 1")  # noqa: E731
    rows = [swap(line) if index % 5 < 3 else line for index, line in enumerate(lines[2:])]
    path.write_text("\n".join([*lines[:2], *rows]))


def cut_training_split(root: Path) -> None:
    path = root / "list_eval_partition.txt"
    path.write_text(path.read_text().replace("000001.jpg 0", "000001.jpg 1"))


@pytest.fixture
def own_files(config: ConfigDict, tmp_path: Path) -> ConfigDict:
    """The tiny configuration on files that a test may change."""
    root = write_celeba(tmp_path / "files")
    config.data.update({"root": str(root), "cache": str(tmp_path / "cache")})
    config.train.epochs = 1
    return config


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replace_images, "the pixels"),
        (invert_training_labels, "the labels of the training split"),
        (cut_training_split, r"which images belong to which split \(36 \+ 12 \+ 12 then, 35 \+ 13 \+ 12 now\)"),
        (remove_image, r"the images \(36 \+ 12 \+ 12 then, 36 \+ 12 \+ 11 now\)"),
    ],
)
def test_other_data_are_refused(
    own_files: ConfigDict, tmp_path: Path, change: Callable[[Path], None], words: str, seed: int
) -> None:
    """By the run that would go on, and by another seed of the study."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        die_at_step(patch, 2)
        fit(own_files, tmp_path / "out")
    change(Path(own_files.data.root))
    own_files.seed = seed
    with pytest.raises(UserError, match=f"joint/seed_0 was begun on other data.* what differs being {words}: put"):
        fit(own_files, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "joint").iterdir()] == ["seed_0"]


def test_more_bad_images_than_before_are_other_data(own_files: ConfigDict, tmp_path: Path) -> None:
    """What config.json says of the skipped images is so in the end."""
    images = Path(own_files.data.root) / "img_align_celeba"
    own_files.data.on_bad_image = "skip"
    (images / "000003.jpg").write_bytes(b"no image")
    prepare(own_files, tmp_path / "out")
    (images / "000004.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"other data .* the images \(35 \+ 12 \+ 12 then, 35 \+ 11 \+ 12 now\)"):
        prepare(own_files, tmp_path / "out")


def test_a_finished_run_is_not_taken_for_one_on_other_data(own_files: ConfigDict, tmp_path: Path) -> None:
    fit(own_files, tmp_path / "out")
    invert_training_labels(Path(own_files.data.root))
    with pytest.raises(UserError, match="the labels of the training split"):
        fit(own_files, tmp_path / "out")


def test_data_that_came_back_are_the_same(own_files: ConfigDict, tmp_path: Path) -> None:
    """Copied files have other times, and so another pack; what counts is what is in them."""
    fit(own_files, tmp_path / "out")
    for path in (tmp_path / "files" / "img_align_celeba").iterdir():
        os.utime(path, (1, 1))
    own_files.seed = 1
    fit(own_files, tmp_path / "out")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_variant_with_other_labels_and_a_run_without_a_fingerprint_are_accepted(
    own_files: ConfigDict, tmp_path: Path
) -> None:
    fit(own_files, tmp_path / "out")
    own_files.variant, own_files.data.label_fractions = "few_labels", ("a=0.5",)
    fit(own_files, tmp_path / "out")
    for path in (tmp_path / "out").glob("*/seed_0/config.json"):
        described = json.loads(path.read_text())
        del described["fingerprint"]  # as an older version left it
        path.write_text(json.dumps(described))
    invert_training_labels(Path(own_files.data.root))
    own_files.seed = 1
    fit(own_files, tmp_path / "out")


def test_a_loss_that_is_not_finite_stops_the_run(config: ConfigDict, tmp_path: Path) -> None:
    config.train.optimizer, config.train.learning_rate, config.train.warmup_epochs = "sgd", 1e30, 0.0
    with pytest.raises(UserError, match=r"is not finite in step \d+ of .*/joint/seed_0, whose images are 0000"):
        fit(config, tmp_path)


def test_single_class_warns_and_goes_on(config: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_celeba(tmp_path / "files")
    path = root / "list_attr_celeba.txt"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines[:2], *(line.split()[0] + " -1 " + " ".join(line.split()[2:]) for line in lines[2:])])
    )
    config.data.root, config.data.cache, config.train.epochs = str(root), str(tmp_path / "cache"), 1
    _, results = fit(config, tmp_path / "out")
    assert "warning: a is absent in every labelled training image" in capsys.readouterr().err
    assert results["test"]["tasks"]["a"]["average_precision"] is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("method", "dts", "choose one of joint, single_task, .*, dst, random_drop"),
        ("dst.measure", "guess", "choose one of probe, running"),
        ("dst.count", "all", "choose one of annotated, positives"),
        ("dst.weights.depth", 0.3, "must sum to 1, but sum to 1.1"),
        ("dst.weights.signal", 0.1, "must sum to 1, but sum to 1.1"),
        ("dst.keep_last", 4, "from 0 to train.epochs"),
        ("model.head_init", "ones", "choose one of random, zero, base_rate"),
        ("train.epochs", 0, "train.epochs is 0"),
        ("train.device", "cuda:99", "which torch cannot use here"),
        ("train.batch_size", 37, "36 training images do not fill one batch of 37"),
        ("data.attributes", ("a", "bb"), "bb"),
    ],
)
def test_mistakes_are_said_before_anything_is_written(
    config: ConfigDict, tmp_path: Path, field: str, value: Any, message: str
) -> None:
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=message):
        fit(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
