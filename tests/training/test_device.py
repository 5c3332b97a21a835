"""Steps on a device that is not the CPU: no tensor of another device in them, and no wait for the device."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from ml_collections import ConfigDict
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torchvision.ops import StochasticDepth

from mtl.batch import make_batch
from mtl.gradients.sources import at_features
from mtl.losses import binary, classes, regression
from mtl.methods import METHODS, make_method
from mtl.models.backbones import from_module
from mtl.models.images import augment_and_normalize, normalize
from mtl.models.model import Model, Params, make_model, separate
from mtl.optim import Optimizer, adamw, make_schedule, sgd
from mtl.state import TrainState
from mtl.training import loop, run, sourcing
from mtl.training.measuring import make_loss_step, make_predict_step, make_saliency_step
from mtl.training.sourcing import SourcedStep, Sourcing
from mtl.training.step import Augment, as_they_are, init_state, make_train_step
from mtl.training.sums import add, zero_sums
from tests import tiny
from tests.accelerator import Elsewhere, Waited, accelerator, waiting_refused
from tests.methods.properties import solver_steps

CPU = torch.device("cpu")
SCHEDULE = make_schedule("cosine", 0.01, 10, 2)
NUM_IMAGES = 6
# CUDA's eigenvalues come with a verdict that the host reads; see torch.linalg.eigh.
OF_EIGENVALUES = ("aligned_mtl", "conflict_free", "impartial", "imtl_g", "sdmgrad")
Made = tuple[Model, Params, dict[str, Tensor]]


def find_levels(name: str) -> list[tuple[str, str]]:
    lowest = sourcing.find_level("auto", make_method(name, {}))
    return [(name, level) for level in dict.fromkeys([lowest, "parameters"])]


def to(tree: Any, device: torch.device) -> Any:
    return tree_map(lambda tensor: tensor.to(device), tree)


def check(function: Callable[..., Any], *arguments: Any, allowed: tuple[str, ...] = ()) -> Any:
    """What a function gives on the device: all of it there, without a wait, and the CPU's numbers."""
    there = to(arguments, accelerator())
    with waiting_refused(*allowed):
        given = function(*there)
    assert {tensor.device for tensor in tree_leaves(given)} == {accelerator()}
    torch.testing.assert_close(to(given, CPU), function(*arguments), rtol=1e-3, atol=1e-4)
    return to(given, CPU)


def make_state(made: Made, optimizer: Optimizer, name: str) -> TrainState:
    """The first state, made on the device."""
    model, params, buffers = made
    state = init_state(model, *to((params, buffers), accelerator()), optimizer, make_method(name, {}))
    assert {tensor.device for tensor in tree_leaves(state)} == {accelerator()}
    return to(state, CPU)


def make_step(
    made: Made,
    name: str,
    source: Sourcing,
    optimizer: Optimizer,
    augment: Augment = augment_and_normalize,
    inputs_shape: tuple[int, ...] = (NUM_IMAGES, 3, tiny.SIZE, tiny.SIZE),
) -> SourcedStep:
    model, params, buffers = made
    method = make_method(name, {})
    return sourcing.make_sourced_step(
        model,
        method,
        source,
        *to((params, buffers), accelerator()),
        inputs_shape,
        lambda of: make_train_step(model, optimizer, SCHEDULE, method, of, augment),
    )


@pytest.mark.parametrize(("name", "level"), [case for name in ("joint", *METHODS) for case in find_levels(name)])
def test_every_method_at_both_levels(name: str, level: str) -> None:
    made, optimizer = tiny.make_tiny(), sgd()
    step = make_step(made, name, Sourcing(level), optimizer)
    state, batch = make_state(made, optimizer, name), tiny.make_batch(NUM_IMAGES)
    gates = tiny.make_gates(tiny.TASKS, True, False, True)
    allowed = ("_linalg_eigh",) if name in OF_EIGENVALUES else ()
    with solver_steps(2):
        check(lambda *given: step(*given, 2, 0), state, batch, gates, allowed=allowed)


@pytest.mark.parametrize("name", ["upgrad", "auto_lambda"])
@pytest.mark.parametrize("source", [Sourcing("parameters", every=2), Sourcing("parameters", fraction=0.5)])
def test_every_way_to_the_parameters(name: str, source: Sourcing) -> None:
    """A step that measures, and the one that follows it."""
    made, optimizer = tiny.make_tiny(head="mlp"), adamw()
    step, state = make_step(made, name, source, optimizer), make_state(made, optimizer, name)
    gates = tiny.make_gates(tiny.TASKS, True, False, True)
    for number in (0, 1):
        batch = tiny.make_batch(NUM_IMAGES, seed=number)
        state, _ = check(lambda *given, number=number: step(*given, 2, number), state, batch, gates)


def test_a_network_per_task() -> None:
    """All at once under vmap."""
    made, optimizer = separate(*tiny.make_tiny(), at_once=True), adamw()
    step, state = make_step(made, "joint", Sourcing(), optimizer), make_state(made, optimizer, "joint")
    gates = tiny.make_gates(tiny.TASKS, True, True, True)
    check(lambda *given: step(*given, 3, 0), state, tiny.make_batch(NUM_IMAGES), gates)


@pytest.mark.parametrize("name", ["joint", "upgrad"])
def test_tasks_of_three_kinds_and_noise(name: str) -> None:
    """With labels that are missing, in a network that draws dropout and stochastic depth."""
    module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), StochasticDepth(0.3, "row"), nn.Linear(8, 5))
    tasks = {"b": binary(), "c": classes(3), "squared": regression(), "l1": regression("l1"), "h": regression("huber")}
    made = make_model(from_module(module, None, torch.empty(2, 4)), tasks)
    generator = torch.Generator().manual_seed(0)
    numbers_B = torch.randn(NUM_IMAGES, generator=generator)
    labels = {task: torch.where(numbers_B > 1.0, torch.nan, numbers_B) for task in tasks} | {"b": numbers_B > 0.0}
    labels["c"] = torch.randint(3, (NUM_IMAGES,), generator=generator)
    mask = {task: ~torch.isnan(values) for task, values in labels.items()} | {"b": numbers_B < 1.0}
    batch = make_batch(torch.randn(NUM_IMAGES, 4, generator=generator), labels, mask)
    gates = tiny.make_gates(tuple(tasks), *[True] * len(tasks))
    for level in ("features", "parameters"):
        step = make_step(made, name, Sourcing(level), adamw(), as_they_are, tuple(batch.inputs.shape))
        check(lambda *given, step=step: step(*given, len(tasks), 0), make_state(made, adamw(), name), batch, gates)


def test_what_measures() -> None:
    model, params, buffers = tiny.make_tiny()
    batch = tiny.make_batch(NUM_IMAGES)
    check(make_loss_step(model, normalize), params, buffers, batch)
    check(make_predict_step(model, normalize), params, buffers, batch.inputs)
    check(make_saliency_step(model, normalize), params, buffers, batch.inputs)


def test_sums() -> None:
    made, optimizer = tiny.make_tiny(), sgd()
    batch, gates = tiny.make_batch(NUM_IMAGES), tiny.make_gates(tiny.TASKS, True, True, True)
    step = make_step(made, "joint", Sourcing("parameters"), optimizer)
    state, metrics = step(make_state(made, optimizer, "joint"), batch, gates, 3, 0)
    there = zero_sums(3, ("features", "parameters"), accelerator())
    check(add, to(there, CPU), metrics, state.step)


@pytest.mark.parametrize("name", OF_EIGENVALUES)
def test_eigenvalues_wait(name: str) -> None:
    """So the list above is no longer than it has to be."""
    with pytest.raises(Waited, match="_linalg_eigh"):
        take_step(name, augment_and_normalize)


def test_a_tensor_of_the_cpu_is_noticed() -> None:
    with pytest.raises(Elsewhere, match=r"mul: a tensor of the CPU, of shape \(3, 1, 1\)"):
        take_step("joint", lambda inputs, augmentation: inputs * torch.ones(3, 1, 1))


@pytest.mark.parametrize(
    ("wait", "operation"),
    [
        (lambda inputs: inputs * inputs.amax().item(), "_local_scalar_dense"),
        (lambda inputs: inputs if (inputs > 0).any() else -inputs, "_local_scalar_dense"),
        (lambda inputs: inputs[inputs > 0], "index"),
        (lambda inputs: inputs * torch.tensor([1.0, 2.0, 3.0], device=inputs.device).view(3, 1, 1), "copy_"),
        (lambda inputs: inputs.cpu().to(inputs.device), "_to_copy"),
    ],
)
def test_a_wait_is_noticed(wait: Callable[[Tensor], Tensor], operation: str) -> None:
    with pytest.raises(Waited, match=operation):
        take_step("joint", lambda inputs, augmentation: wait(normalize(inputs)))


def take_step(name: str, augment: Augment) -> None:
    """A step on the device, of a network that `augment` gives its images."""
    made = tiny.make_tiny()
    model, method = made[0], make_method(name, {})
    step = make_train_step(model, sgd(), SCHEDULE, method, at_features(model), augment)
    given = make_state(made, sgd(), name), tiny.make_batch(NUM_IMAGES), tiny.make_gates(tiny.TASKS, True, True, True)
    given = to(given, accelerator())
    with waiting_refused():
        step(*given)


def refuse_waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets no step of a run wait, nor the sums after it; gives the names of those that are taken, to be filled."""
    taken: list[str] = []

    def watched(function: Callable[..., Any], *_: Any) -> Callable[..., Any]:
        @wraps(function)
        def watching(*arguments: Any) -> Any:
            taken.append(function.__name__)
            with waiting_refused():
                return function(*arguments)

        return watching

    monkeypatch.setattr(run, "maybe_compile", watched)
    monkeypatch.setattr(loop, "add", watched(add))
    return taken


@pytest.mark.parametrize("method", ["joint", "dst"])
def test_a_whole_run(method: str, config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps do not wait, and it ends where the CPU's ends."""
    config.method, config.train.epochs = method, 2
    on_cpu, expected = tiny.fit(config, tmp_path / "cpu")
    config.train.device = str(accelerator())
    taken = refuse_waiting(monkeypatch)
    state, results = tiny.fit(config, tmp_path / "device")
    assert set(taken) >= {"train_step", "predict_step", "add"} | ({"loss_step"} if method == "dst" else set())
    torch.testing.assert_close(to(state, CPU), on_cpu, rtol=1e-3, atol=1e-4)
    assert results["test"] == expected["test"]
    assert tiny.fit(config, tmp_path / "device")[1] == results, "a finished run is read back onto the device"


def test_a_wait_in_a_run_is_noticed(config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_waiting(monkeypatch)
    monkeypatch.setattr(run, "augment_and_normalize", lambda inputs, _: normalize(inputs) * inputs.amax().item())
    config.train.device = str(accelerator())
    with pytest.raises(Waited, match="_local_scalar_dense"):
        tiny.fit(config, tmp_path)
