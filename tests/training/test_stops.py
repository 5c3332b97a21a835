"""A run that is asked to end saves first; numbers that are not finite end it, or are left out, and are said."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ml_collections import ConfigDict
from torch.utils._pytree import tree_leaves

from mtl.errors import UserError
from mtl.processes.stopping import Stopped, listening
from mtl.record.paths import BEST, CHECKPOINTS, METRICS, NONFINITE, run_folder
from mtl.training import evaluation
from mtl.training import loop as training
from mtl.training.step import Metrics
from tests.same import assert_same_run, read_lines
from tests.tiny import SIZE, TASKS, fit
from tests.training.steps import wrap_steps

Change = Callable[[Any, Metrics, int], tuple[Any, Metrics]]


def change_steps(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Lets `change` look at what each step returns, with its number in this life."""
    wrap_steps(monkeypatch, lambda step, number, *arguments: change(*step(*arguments), number))


def stop_in_step(patch: pytest.MonkeyPatch) -> None:
    def change(state: Any, metrics: Metrics, call: int) -> tuple[Any, Metrics]:
        if call == 8:
            signal.raise_signal(signal.SIGTERM)
        return state, metrics

    change_steps(patch, change)


def stop_in_validation(patch: pytest.MonkeyPatch) -> None:
    batches = evaluation.evaluation_batches

    def stopping_batches(*args: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return batches(*args)

    patch.setattr(evaluation, "evaluation_batches", stopping_batches)


@pytest.mark.parametrize(
    ("stop", "method", "newest"),
    [
        (stop_in_step, "dst", ["step_000000006.pt", "step_000000008.pt"]),
        (stop_in_validation, "joint", ["step_000000006.pt"]),
        (stop_in_validation, "dst", []),  # in the probe of the first epoch
    ],
)
def test_sigterm_saves_and_the_run_goes_on_with_the_same_bits(
    config: ConfigDict, tmp_path: Path, stop: Callable[[pytest.MonkeyPatch], None], method: str, newest: list[str]
) -> None:
    config.method = method
    fit(config, tmp_path / "whole")
    folder = run_folder(tmp_path / "stopped", method, 0)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped), listening(signal.SIGTERM):
        stop(patch)
        fit(config, tmp_path / "stopped")
    assert sorted(path.name for path in (folder / CHECKPOINTS).glob("step_*")) == newest
    fit(config, tmp_path / "stopped")
    assert_same_run(run_folder(tmp_path / "whole", method, 0), folder)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_log_that_was_cut_is_missed(config: ConfigDict, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped), listening(signal.SIGTERM):
        stop_in_step(patch)
        fit(config, tmp_path)
    path = run_folder(tmp_path, "joint", 0) / METRICS
    damage(path)
    with pytest.raises(UserError, match=rf"^{path} has \d+ bytes, and had \d+ when the run's checkpoint was written"):
        fit(config, tmp_path)


def test_a_damaged_best_checkpoint_is_said(config: ConfigDict, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped), listening(signal.SIGTERM):
        stop_in_step(patch)
        fit(config, tmp_path)
    path = run_folder(tmp_path, "joint", 0) / CHECKPOINTS / BEST
    damaged = path.read_bytes()[:-100]
    with pytest.MonkeyPatch.context() as patch:
        finish = training.finish
        patch.setattr(training, "finish", lambda *args: (path.write_bytes(damaged), finish(*args))[1])
        for _ in range(2):  # the second time from the last checkpoint
            with pytest.raises(UserError, match=rf"^{path} is damaged \(.*delete the folder of its run"):
                fit(config, tmp_path)


def with_bad(what: str, steps: tuple[int, ...]) -> Change:
    """Makes a loss, the gradient or a parameter of some steps not finite."""

    def change(state: Any, metrics: Metrics, call: int) -> tuple[Any, Metrics]:
        if call not in steps:
            return state, metrics
        if what == "loss":
            metrics = metrics._replace(losses=metrics.losses | {"b": torch.tensor(float("nan"))})
        if what == "gradient":
            metrics = metrics._replace(gradient_norm=torch.tensor(float("inf")))
        for value in state.params.trunk.values():  # what the step made of it
            value.fill_(float("nan"))
        return state, metrics

    return change


@pytest.mark.parametrize(
    ("what", "words", "tasks"),
    [("loss", "the loss of b", ["b"]), ("gradient", "the gradient of the trunk", []), ("parameter", "a parameter", [])],
)
def test_a_number_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(
    config: ConfigDict, tmp_path: Path, what: str, words: str, tasks: list[str]
) -> None:
    config.method, config.train.checkpoint_seconds = "dst", 0.0
    fit(config, tmp_path / "whole")
    folder = run_folder(tmp_path / "stopped", "dst", 0)
    with pytest.MonkeyPatch.context() as patch:
        change_steps(patch, with_bad(what, (9,)))
        with pytest.raises(UserError, match=rf"^{words} is not finite in step 9 of {folder}, whose ima"):
            fit(config, tmp_path / "stopped")
    (line,) = read_lines(folder / NONFINITE)
    assert (line["epoch"], line["step"], line["tasks"]) == (2, 9, tasks)
    assert len({*line["images"]}) == 6
    assert max(path.name for path in (folder / CHECKPOINTS).glob("step_*")) == "step_000000008.pt"
    fit(config, tmp_path / "stopped")  # as if it had been the machine's fault
    assert_same_run(run_folder(tmp_path / "whole", "dst", 0), folder)
    assert read_lines(folder / NONFINITE) == []


def test_the_images_that_are_named_are_those_of_the_step(config: ConfigDict, tmp_path: Path) -> None:
    """Found by their labels, of which the step saw those that it was given."""
    config.train.log_every = 1
    seen: list[torch.Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        prepare = training.prepare

        def watching(*args: Any) -> Any:
            run, state = prepare(*args)

            def step(state: Any, batch: Any, *rest: Any) -> Any:
                seen.append(torch.stack([batch.labels[task] for task in TASKS], dim=1))
                state, metrics = run.steps.train[SIZE](state, batch, *rest)
                bad = metrics._replace(losses=metrics.losses | {"a": torch.tensor(float("inf"))})
                return state, bad if len(seen) == 8 else metrics

            return run._replace(steps=run.steps._replace(train={SIZE: step})), state

        patch.setattr(training, "prepare", watching)
        with pytest.raises(UserError, match="the loss of a is not finite in step 8"):
            fit(config, tmp_path)
    (line,) = read_lines(run_folder(tmp_path, "joint", 0) / NONFINITE)
    rows = [row.split() for row in (Path(config.data.root) / "list_attr_celeba.txt").read_text().splitlines()[2:]]
    labels = {name: [float(value == "1") for value in values] for name, *values in rows}
    assert [labels[name] for name in line["images"]] == seen[-1].tolist()


@pytest.mark.parametrize("what", ["loss", "gradient", "parameter"])
def test_a_step_that_is_skipped_leaves_no_trace(
    config: ConfigDict, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """Parameters and moments stand still; killed meanwhile, it ends with the same bits."""
    config.method, config.train.on_nonfinite, config.train.log_every = "moco", "skip", 1
    with pytest.MonkeyPatch.context() as patch:
        change_steps(patch, with_bad(what, (4, 11)))
        state, results = fit(config, tmp_path / "whole")
    folder = run_folder(tmp_path / "whole", "moco", 0)
    assert results["num_skipped_steps"] == 2 and int(state.step) == 18
    assert all(torch.isfinite(value).all() for value in tree_leaves(state) if value.is_floating_point())
    steps = [line["step"] for line in read_lines(folder / METRICS) if line["kind"] == "step"]
    assert steps == [step for step in range(1, 19) if step not in (4, 11)]
    assert [line["step"] for line in read_lines(folder / NONFINITE)] == [4, 11]
    assert capsys.readouterr().err.count("is skipped, since") == 2

    bad = with_bad(what, (4, 11))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped), listening(signal.SIGTERM):

        def change(state: Any, metrics: Metrics, call: int) -> tuple[Any, Metrics]:
            if call == 10:
                signal.raise_signal(signal.SIGTERM)
            return bad(state, metrics, call)

        change_steps(patch, change)
        fit(config, tmp_path / "stopped")
    with pytest.MonkeyPatch.context() as patch:
        change_steps(patch, with_bad(what, (1,)))
        fit(config, tmp_path / "stopped")
    assert_same_run(folder, run_folder(tmp_path / "stopped", "moco", 0))
    texts = [(run_folder(tmp_path / name, "moco", 0) / NONFINITE).read_text() for name in ("whole", "stopped")]
    assert texts[0] == texts[1]


def test_no_more_steps_are_skipped_than_may_be(config: ConfigDict, tmp_path: Path) -> None:
    config.train.on_nonfinite, config.train.max_skips = "skip", 1
    with pytest.MonkeyPatch.context() as patch:
        change_steps(patch, with_bad("loss", (2, 3)))
        with pytest.raises(UserError, match=r"in step 3 of .*, and 1 such steps were skipped before \(max_skips\)"):
            fit(config, tmp_path)


def test_skip_and_stop_are_the_same_where_all_is_finite(config: ConfigDict, tmp_path: Path) -> None:
    fit(config, tmp_path / "stop")
    config.train.on_nonfinite = "skip"
    fit(config, tmp_path / "skip")
    assert_same_run(run_folder(tmp_path / "stop", "joint", 0), run_folder(tmp_path / "skip", "joint", 0))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_learning_rate_far_too_high_ends_in_a_sentence(config: ConfigDict, tmp_path: Path, optimizer: str) -> None:
    """Losses that are finite with norms that are not, too, which JSON does not hold."""
    for rate in (1e9, 1e30):
        config.train.update({"optimizer": optimizer, "learning_rate": rate, "warmup_epochs": 0.0, "log_every": 1})
        try:
            fit(config, tmp_path / str(rate))
        except UserError as error:
            assert "not finite" in str(error)
