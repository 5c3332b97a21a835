"""The step compiles whole, once, and computes what the eager step computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from mtl.errors import UserError
from mtl.gradients.sources import at_features
from mtl.losses import binary
from mtl.methods.base import AnyMethod
from mtl.methods.uncertainty import uncertainty
from mtl.methods.upgrad import upgrad
from mtl.models.backbones import from_module
from mtl.models.model import Model, Params, make_model
from mtl.optim import adamw, make_schedule, scale_rates
from mtl.state import TrainState
from mtl.training.compile import ISOLATED, maybe_compile
from mtl.training.step import init_state
from tests.methods.properties import solver_steps
from tests.tiny import SIZE, TASKS, make_batch, make_gates, make_tiny, make_train_step

CPU = torch.device("cpu")
Made = tuple[Model, Params, dict[str, Tensor]]
GATES = [(True, True, True), (True, False, True), (False, True, False)]


def compare(
    backend: str, made: Made, method: AnyMethod, rates: dict[str, float] | None = None, heads_rate: float = 1.0
) -> TrainState:
    """Runs both over gates, learning rates and a resume; after the first step nothing may compile again."""
    model, params, buffers = made
    optimizer, schedule = scale_rates(adamw(), rates or {}), make_schedule("cosine", 0.01, 12, 2)
    eager = make_train_step(model, optimizer, schedule, method, at_features(model), heads_rate=heads_rate)
    compiled = maybe_compile(eager, "on", CPU, backend)
    state = other = init_state(model, params, buffers, optimizer, method)
    other, _ = compiled(other, make_batch(), make_gates(TASKS, *GATES[0]))
    state, _ = eager(state, make_batch(), make_gates(TASKS, *GATES[0]))
    with torch.compiler.set_stance("fail_on_recompile"):
        for number in range(6):
            batch, gates = make_batch(seed=number), make_gates(TASKS, *GATES[number % 3])
            state, metrics = eager(state, batch, gates)
            other, compiled_metrics = compiled(other, batch, gates)
            # losses, features' Gramian, gradient norm, learning rate; then params, buffers and optimizer state
            for a, b in zip(tree_leaves(metrics), tree_leaves(compiled_metrics), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
            for a, b in zip(tree_leaves(state), tree_leaves(other), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
            if number == 3:  # as after a resume: new tensors, other gates
                other = tree_map(lambda tensor: tensor.clone().contiguous(), other)
    return other


def test_aot_eager() -> None:
    """What makes a step large, at once: tasks that leave the trunk at two places, MLPs as heads, a stage that stands
    still, rates of their own, and a method that solves for its weights."""
    made = make_tiny(head="mlp", freeze=("stage2",))
    with solver_steps(2):
        state = compare("aot_eager", made, upgrad(), rates={"stage1.0.weight": 0.1}, heads_rate=10.0)
    still = {name: value for name, value in made[2].items() if name.startswith("stage2")}
    assert {"stage2.0.weight", "stage2.1.running_mean"} <= still.keys()
    assert all(torch.equal(state.buffers[name], value) for name, value in still.items())


def test_inductor() -> None:
    """A convolution with BatchNorm, which all tasks leave at its end: inductor compiles each part of it with g++."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    trunk = from_module(net, {"end": "2"}, torch.empty(2, 3, SIZE, SIZE))
    compare("inductor", make_model(trunk, dict.fromkeys(TASKS, binary()), seed=1), uncertainty())


def test_auto_leaves_the_cpu_eager() -> None:
    step = lambda: None  # noqa: E731
    assert maybe_compile(step, "auto", CPU) is step
    assert maybe_compile(step, "off", torch.device("cuda")) is step
    with pytest.raises(UserError, match=r"^mode is"):
        maybe_compile(step, "yes", CPU)


@pytest.mark.skipif(not ISOLATED, reason="torch before 2.14 counts all of them together")
def test_a_study_compiles_more_steps_than_torch_would() -> None:
    """All steps are one function to torch, with other numbers in its closure; it gives a function 8 compilations."""

    def make(number: int) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: x + number

    for number in range(12):
        assert maybe_compile(make(number), "on", CPU, "eager")(torch.zeros(())) == number
