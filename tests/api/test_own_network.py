"""A stranger's network, tasks of several kinds and losses of their own go through the one step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

import mtl
from mtl.gradients.per_task import by_tap, task_losses_and_gradients
from mtl.losses import task_loss
from mtl.methods.base import AnyMethod
from mtl.models.model import Model
from mtl.training.step import Metrics

FACTORIES = {"joint": mtl.methods.equal} | mtl.methods.METHODS
CPU = torch.device("cpu")
B, D = 8, 20


def gaussian(outputs_BO: Tensor, labels_B: Tensor) -> Tensor:
    """Minus the logarithm of a Gaussian's density: below 0 where it is narrow and right."""
    mean_B, log_std_B = outputs_BO.unbind(1)
    return 0.5 * ((labels_B - mean_B) / log_std_B.exp()) ** 2 + log_std_B


POSITIVE = {
    "hat": mtl.binary(),
    "smile": mtl.binary(),
    "digit": mtl.classes(10),
    "age": mtl.regression("huber"),
}
WITH_NEGATIVE = POSITIVE | {"weight": mtl.Task(2, gaussian)}
NETWORKS = {
    "whole": lambda tasks: make(tasks, None),
    "tapped": lambda tasks: make(tasks, dict.fromkeys(tasks, "late") | {"smile": "early", "age": "early"}),
}
Made = tuple[Model, mtl.Params, dict[str, Tensor]]


def make(tasks: dict[str, mtl.Task], taps: dict[str, str] | None, seed: int = 0) -> Made:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(D, 12), nn.Dropout(0.5), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 6))
    nodes = None if taps is None else {"early": "3", "late": "4"}
    return mtl.make_model(mtl.from_module(net, nodes, torch.empty(2, D)), tasks, taps)


def make_batch(number: int = 0, tasks: dict[str, mtl.Task] = WITH_NEGATIVE) -> mtl.Batch:
    """Each task misses the label of an example of its own."""
    generator = np.random.default_rng(number)
    labels: dict[str, Tensor] = {}
    for task, kind in tasks.items():
        if kind.kind == "classes":
            labels[task] = torch.from_numpy(generator.integers(0, kind.num_outputs, B))
        else:
            labels[task] = torch.from_numpy(generator.integers(0, 2, B).astype(np.float32))
    mask = {task: torch.arange(B) != place for place, task in enumerate(tasks)}
    return mtl.make_batch(torch.from_numpy(generator.standard_normal((B, D), np.float32)), labels, mask, number)


def start(made: Made, method: AnyMethod, level: str = "auto") -> tuple[Any, Any]:
    model, params, buffers = made
    optimizer, schedule = mtl.adamw(), mtl.make_schedule("constant", 0.01, 1, 0)
    step = mtl.make_train_step(model, optimizer, schedule, method, mtl.make_source(model, method, level))
    return mtl.init_state(model, params, buffers, optimizer, method), step


def assert_same_bits(a: object, b: object) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize(("network", "level"), [("whole", "features"), ("tapped", "parameters")])
@pytest.mark.parametrize("name", FACTORIES)
def test_every_method_takes_three_steps_or_says_why_not(name: str, network: str, level: str) -> None:
    """With a task dropped in the second step, and a loss that may be negative where the method allows it."""
    method = FACTORIES[name]()
    if method.needs_positive_losses:
        with pytest.raises(mtl.UserError, match=r"that of weight may be negative.*positive=True"):
            start(NETWORKS[network](WITH_NEGATIVE), method)
    tasks = POSITIVE if method.needs_positive_losses else WITH_NEGATIVE
    if level == "features" and not method.at_features:
        with pytest.raises(mtl.UserError, match="keeps gradients from step to step"):
            start(NETWORKS[network](tasks), method, level)
        return
    state, step = start(NETWORKS[network](tasks), method, level)
    metrics: Metrics
    for number in range(3):
        on = mtl.make_gates({task: number != 1 or task != "digit" for task in tasks})
        state, metrics = step(state, make_batch(number, tasks), on)
        assert number != 1 or metrics.weights["digit"] == 0.0
    for leaf in tree_leaves((state, metrics)):
        assert torch.isfinite(leaf).all()


@pytest.mark.parametrize("name", ["graddrop", "moco", "mgda", "modo"])
def test_a_source_for_all_tasks_shows_a_dropped_one_as_nothing(name: str) -> None:
    """Whatever its labels are, no other task's part of the step depends on them."""
    made, method = NETWORKS["tapped"](WITH_NEGATIVE), FACTORIES[name]()
    state, step = start(made, method, "parameters")
    batch, on = make_batch(), mtl.make_gates({task: task != "age" for task in WITH_NEGATIVE})
    one, _ = step(state, batch, on)
    other, _ = step(state, batch._replace(labels=batch.labels | {"age": batch.labels["age"] + 100.0}), on)
    assert_same_bits(one, other)


def test_gates_and_source_may_be_left_out() -> None:
    made, method = NETWORKS["whole"](WITH_NEGATIVE), mtl.methods.moco()
    model = made[0]
    bare = mtl.make_train_step(model, mtl.adamw(), mtl.make_schedule("constant", 0.01, 1, 0), method)
    state, step = start(made, method, "parameters")
    assert_same_bits(
        bare(state, make_batch()), step(state, make_batch(), mtl.make_gates(dict.fromkeys(model.tasks, True)))
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_of_all_groups_as_by_autograd(network: str) -> None:
    """Heads of four widths, in float64: losses, gradients at heads and features, and both levels' Gramians."""
    model, params, buffers = NETWORKS[network](WITH_NEGATIVE)
    batch = make_batch()
    labels = {task: each.double() if each.is_floating_point() else each for task, each in batch.labels.items()}
    trunk, heads, inputs = tree_map(lambda leaf: leaf.double(), (params.trunk, params.heads, batch.inputs))
    buffers = {name: each.double() if each.is_floating_point() else each for name, each in buffers.items()}
    leaves = {name: each.clone().requires_grad_() for name, each in trunk.items()}
    features, _ = model.trunk(leaves, buffers, inputs, True)
    losses, found = task_losses_and_gradients(
        model, heads, {tap: each.detach() for tap, each in features.items()}, labels, batch.mask
    )
    at_features, at_parameters = [], []
    for task, kind in WITH_NEGATIVE.items():
        name, group = next((name, group) for name, group in model.groups.items() if task in group.tasks)
        head = {key: each[group.tasks.index(task)].clone().requires_grad_() for key, each in heads[name].items()}
        known = batch.mask[task] > 0
        outputs = model.head(head, features[group.tap])
        expected = kind.loss(outputs[known], labels[task][known]).mean()
        torch.testing.assert_close(losses[task], expected.detach())
        wanted = [*head.values(), *features.values(), *leaves.values()]
        grads = torch.autograd.grad(expected, wanted, retain_graph=True, allow_unused=True, materialize_grads=True)
        torch.testing.assert_close(list(found.heads[task].values()), list(grads[: len(head)]))
        here = dict(zip(features, grads[len(head) :], strict=False))
        torch.testing.assert_close(found.features[task], here[group.tap])
        at_features.append(torch.cat([here[tap].flatten() for tap in features if tap == group.tap]))
        at_parameters.append(torch.cat([each.flatten() for each in grads[len(head) + len(features) :]]))
    rows = torch.cat([each.flatten(1) for each in by_tap(model, found.features).values()], dim=1)
    same_tap = [[a.shape == b.shape for b in at_features] for a in at_features]
    expected_KK = torch.tensor(
        [
            [float(a @ b) if same else 0.0 for b, same in zip(at_features, row, strict=True)]
            for a, row in zip(at_features, same_tap, strict=True)
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(rows @ rows.T, expected_KK)

    state, step = start((model, mtl.Params(trunk, heads), buffers), mtl.methods.equal(), "parameters")
    double = batch._replace(inputs=inputs, labels=labels)
    _, metrics = step(state, double)
    rows_KN = torch.stack(at_parameters)
    torch.testing.assert_close(metrics.gramians["parameters"], rows_KN @ rows_KN.T)
    torch.testing.assert_close(metrics.gramians["features"], expected_KK)


def test_dropped_heads_keep_their_bits_under_dropout() -> None:
    """The trunk moves on, its noise too; the head of a dropped task and its optimizer stand still, of each width."""
    made = NETWORKS["tapped"](WITH_NEGATIVE)
    state, step = start(made, mtl.methods.upgrad())
    state, _ = step(state, make_batch())
    for dropped in WITH_NEGATIVE:
        after, _ = step(state, make_batch(1), mtl.make_gates({task: task != dropped for task in WITH_NEGATIVE}))
        for name, group in made[0].groups.items():
            for index, task in enumerate(group.tasks):
                old, new = (
                    tree_leaves(
                        tree_map(
                            lambda leaf, index=index: leaf[index], (each.params.heads[name], each.optimizer.heads[name])
                        )
                    )
                    for each in (state, after)
                )
                assert all(torch.equal(a, b) == (task == dropped) for a, b in zip(old, new, strict=True))
        moved = [name for name, each in state.buffers.items() if not torch.equal(each, after.buffers[name])]
        assert {"1.num_passes", "2.running_mean"} <= set(moved)


def test_compiled_it_is_the_eager_step_and_compiles_once() -> None:
    tasks = {task: WITH_NEGATIVE[task] for task in ("hat", "weight")}
    model, params, buffers = make(tasks, {"hat": "early", "weight": "late"})
    method, optimizer = mtl.methods.equal(), mtl.sgd()
    state = mtl.init_state(model, params, buffers, optimizer, method)
    source = mtl.make_source(model, method, "parameters")
    eager = mtl.make_train_step(model, optimizer, mtl.make_schedule("cosine", 0.01, 9, 2), method, source)
    compiled = mtl.maybe_compile(eager, "on", CPU, "aot_eager")
    gates = [mtl.make_gates({task: task != dropped for task in tasks}) for dropped in ("", "hat", "weight")]
    other, _ = compiled(state, make_batch(0, tasks), gates[0])
    state, _ = eager(state, make_batch(0, tasks), gates[0])
    with torch.compiler.set_stance("fail_on_recompile"):
        for on in gates:
            state, metrics = eager(state, make_batch(1, tasks), on)
            other, compiled_metrics = compiled(other, make_batch(1, tasks), on)
            torch.testing.assert_close(compiled_metrics, metrics, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(other, state, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["moco", "modo", "famo"])
def test_killed_and_resumed_it_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    tasks = POSITIVE if name == "famo" else WITH_NEGATIVE
    made, method = NETWORKS["whole"](tasks), FACTORIES[name]()
    state, step = start(made, method)

    def run(state: mtl.TrainState, numbers: range) -> mtl.TrainState:
        for number in numbers:
            state, _ = step(
                state,
                make_batch(number, tasks),
                mtl.make_gates({task: task != "digit" or number % 2 == 0 for task in tasks}),
            )
        return state

    halfway = run(state, range(3))
    mtl.checkpoint.save_file(tmp_path / "state.pt", halfway, {"batch": 3})
    template, _ = start(NETWORKS["whole"](tasks), method)
    found = mtl.checkpoint.load_file(tmp_path / "state.pt", template)
    assert_same_bits(run(found.tree, range(found.progress["batch"], 8)), run(halfway, range(3, 8)))


def test_another_torchvision_network() -> None:
    trunk = mtl.make_backbone("shufflenet_v2_x0_5", ("stage2", "conv5"), "", seed=0, image_size=32)
    made = mtl.make_model(trunk, {"hat": mtl.binary(), "digit": mtl.classes(10)}, {"hat": "stage2", "digit": "conv5"})
    state, step = start(made, mtl.methods.mgda())
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = mtl.make_batch(
        images, {"hat": torch.tensor([0.0, 1.0, torch.nan, 1.0]), "digit": torch.tensor([3, 1, 4, 1])}
    )
    for _ in range(2):
        state, metrics = step(state, batch)
    assert all(torch.isfinite(leaf).all() for leaf in tree_leaves((state, metrics)))
    assert mtl.make_predict_step(made[0])(state.params, state.buffers, images)["digit"].shape == (4, 10)


def test_labels_with_further_axes() -> None:
    """A loss that reads a distribution as label; where it is missing, whatever stands there counts nowhere."""

    def soft(outputs_BO: Tensor, labels_BO: Tensor) -> Tensor:
        return -(labels_BO * torch.log_softmax(outputs_BO, 1)).sum(1)

    made = make({"soft": mtl.Task(3, soft, positive=True), "hat": mtl.binary()}, None)
    state, step = start(made, mtl.methods.scale_invariant())
    labels = torch.full((B, 3), 1 / 3)
    labels[2] = torch.nan
    batch = make_batch(tasks={"hat": mtl.binary()})
    known = torch.arange(B) != 2
    batch = mtl.make_batch(batch.inputs, batch.labels | {"soft": labels}, {"soft": known})
    state, metrics = step(state, batch)
    assert all(torch.isfinite(leaf).all() for leaf in tree_leaves((state, metrics)))
    losses = task_loss(soft, torch.zeros(B, 3), labels, known.float())
    torch.testing.assert_close(losses, torch.tensor(3.0).log())
