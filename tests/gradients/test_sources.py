"""Sources of gradients: what a method sees, what the trunk moves along, and how many tasks are pulled back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from mtl.batch import mask_matrix
from mtl.errors import UserError
from mtl.gradients import parameters as parameter_gradients
from mtl.gradients import sources
from mtl.gradients.per_task import TaskGradients, task_losses_and_gradients
from mtl.gradients.rows import from_row
from mtl.gradients.sources import Given, Source
from mtl.losses import binary_cross_entropy, task_loss
from mtl.methods.base import AnyMethod, Method, Observation, known_gradients, no_state, unweighted
from mtl.methods.equal import equal
from mtl.methods.mgda import mgda
from mtl.methods.upgrad import upgrad
from mtl.models.images import normalize
from mtl.models.model import Model
from mtl.optim import adamw, make_schedule, sgd
from mtl.state import InnerProducts, TrainState
from mtl.training import sourcing
from mtl.training.sourcing import Sourcing
from mtl.training.step import Metrics, init_state
from mtl.training.step import make_train_step as make_plain_step
from tests.tiny import TASKS, make_batch, make_gates, make_tiny, make_train_step

PROBES = {"stage2.0": (6, 6, 4, 4)}
SCHEDULE = make_schedule("constant", 0.01, 1, 0)


def in_double(tree: Any) -> Any:
    return tree_map(lambda x: x.double() if x.is_floating_point() else x, tree)


def make_given(*gates: bool) -> tuple[Model, Given]:
    """Of the tiny network with 6 images in float64, all labels known but one."""
    model, params, buffers = make_tiny()
    batch = make_batch(num_images=6)
    mask = {task: torch.ones(6) for task in TASKS}
    mask["b"][0] = 0.0
    images = normalize(batch.inputs).double()
    state = init_state(model, params, buffers, sgd(), equal())
    state, batch = in_double((state, batch._replace(inputs=images, mask=mask)))
    products = InnerProducts(*torch.eye(len(TASKS), dtype=torch.float64).expand(2, -1, -1))
    state, mask_BK = state._replace(products=products), mask_matrix(batch, TASKS)
    return model, Given(state, images, batch, mask_BK, make_gates(TASKS, *gates))


class Moved(NamedTuple):
    """What a step makes of the gradients: where it moves the trunk, its new state and metrics."""

    trunk_N: Tensor
    heads: dict[str, dict[str, Tensor]]
    state: TrainState
    metrics: Metrics


def move(model: Model, method: AnyMethod, source: Source, given: Given) -> Moved:
    """One step of plain gradient descent with rate 1, so that the parameters move by the gradient."""
    state = given.state._replace(method=init_state(model, *given.state[:2], sgd(), method).method)
    plain = sgd(momentum=0.0)
    step = make_plain_step(model, plain, make_schedule("constant", 1.0, 1, 0), method, source)
    new, metrics = step(state, given.batch, given.gates)
    moved = {name: state.params.trunk[name] - value for name, value in new.params.trunk.items()}
    heads = tree_map(lambda before, after: before - after, state.params.heads, new.params.heads)
    return Moved(torch.cat([value.flatten() for value in moved.values()]), heads, new, metrics)


def trunk_gradients(model: Model, given: Given, images: slice = slice(None), of: slice = slice(None)) -> Tensor:
    """[K, N] by autograd: a forward pass of some images, losses of some of these."""
    params, batch = given.state.params, given.batch
    leaves = {name: value.clone().requires_grad_() for name, value in params.trunk.items()}
    features, _ = model.trunk(leaves, given.state.buffers, given.inputs[images], True)
    rows = []
    for task in model.tasks:
        key, group = next((key, group) for key, group in model.groups.items() if task in group.tasks)
        head = {name: value[group.tasks.index(task)] for name, value in params.heads[key].items()}
        outputs_BO = model.head(head, features[group.tap])[of]
        labels_B, mask_B = batch.labels[task][images][of], batch.mask[task][images][of]
        loss = task_loss(binary_cross_entropy, outputs_BO, labels_B, mask_B)
        gradients = torch.autograd.grad(
            loss, list(leaves.values()), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows)


def watch(method: Method[Any]) -> tuple[Method[Any], list[Observation]]:
    """The method, and what it will have looked at."""
    seen: list[Observation] = []

    def update(state: Any, observation: Observation) -> tuple[Tensor, Any]:
        seen.append(observation)
        return method.update(state, observation)

    return method._replace(update=update), seen


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("open_gates", [(True, True, True), (True, False, True), (False, True, False)])
def test_at_parameters_as_by_autograd(open_gates: tuple[bool, ...], halves: bool) -> None:
    model, given = make_given(*open_gates)
    method, seen = watch(upgrad()._replace(looks_at=("gramian", "halves") if halves else ("gramian",)))
    source = sources.at_parameters(model, PROBES, sum(open_gates), halves)
    moved = move(model, method, source, given)
    rows_KN = trunk_gradients(model, given) * torch.tensor(open_gates)[:, None]
    torch.testing.assert_close(seen[0].gramian_KK, rows_KN @ rows_KN.T)
    torch.testing.assert_close(moved.metrics.gramians["parameters"], rows_KN @ rows_KN.T)
    weights_K = torch.stack(list(moved.metrics.weights.values()))
    torch.testing.assert_close(moved.trunk_N, weights_K @ rows_KN)
    assert ((weights_K != 0) == torch.tensor(open_gates)).all()
    if halves:
        first_KN, second_KN = (
            trunk_gradients(model, given, of=half) * torch.tensor(open_gates)[:, None]
            for half in (slice(0, 3), slice(3, 6))
        )
        torch.testing.assert_close(seen[0].halves_KK, first_KN @ second_KN.T)
    else:
        assert seen[0].halves_KK is None


def test_only_a_method_that_needs_positive_losses_is_shown_1e_12_for_0() -> None:
    """A task without a label in the batch has a loss of 0."""
    model, given = make_given(True, True, True)
    unlabelled = given.batch.mask | {"b": torch.zeros(6, dtype=torch.float64)}
    given = given._replace(batch=given.batch._replace(mask=unlabelled))
    for needs, least in [(True, 1e-12), (False, 0.0)]:
        method, seen = watch(upgrad()._replace(needs_positive_losses=needs))
        moved = move(model, method, sources.at_features(model), given)
        losses_K = torch.stack(list(moved.metrics.losses.values()))
        assert losses_K[1] == 0.0
        torch.testing.assert_close(seen[0].losses_K, losses_K.clamp(min=least), rtol=0.0, atol=0.0)
        assert seen[0].open_K.tolist() == [True, False, True]


def test_only_open_tasks_are_pulled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[int] = []

    def counting(pull_back: Callable[..., Any], cotangents: dict[str, Tensor], free: dict[str, Tensor]) -> Any:
        pulled.append(len(next(iter(cotangents.values()))))
        return original(pull_back, cotangents, free)

    original = parameter_gradients.in_turn
    monkeypatch.setattr(parameter_gradients, "in_turn", counting)
    model, given = make_given(True, False, True)
    move(model, mgda(), sources.at_parameters(model, PROBES, 2, halves=False), given)
    move(model, keep_gradients(), sources.gradients_at_parameters(model, 2), given)
    assert pulled == [2, 2]


def test_on_a_part_of_the_batch() -> None:
    """What is seen is a gradient of the part alone, normalised by itself; what is done is with the whole batch."""
    model, given = make_given(True, True, True)
    method, seen = watch(upgrad())
    moved = move(model, method, sources.at_parameters_of_first(model, {}, 3, 4, halves=False), given)
    rows_KN = trunk_gradients(model, given, images=slice(0, 4))
    torch.testing.assert_close(seen[0].gramian_KK, rows_KN @ rows_KN.T)
    weights_K = torch.stack(list(moved.metrics.weights.values()))
    torch.testing.assert_close(moved.trunk_N, weights_K @ trunk_gradients(model, given))
    plain = move(model, equal(), sources.at_features(model), given)
    assert all(torch.equal(moved.state.buffers[name], plain.state.buffers[name]) for name in plain.state.buffers)


def test_what_an_earlier_step_measured() -> None:
    model, given = make_given(True, True, True)
    method, seen = watch(mgda())
    moved = move(model, method, sources.remembered(model), given)
    assert torch.equal(seen[0].gramian_KK, given.state.products.gramian_KK)
    assert torch.equal(moved.state.products.gramian_KK, given.state.products.gramian_KK)
    torch.testing.assert_close(moved.trunk_N, trunk_gradients(model, given).mean(0))


def keep_gradients() -> Method[tuple[()]]:
    """Equal weights of the gradients as they are."""
    return Method(
        no_state,
        lambda state, observation: (observation.open_K.to(known_gradients(observation).dtype), state),
        unweighted,
        looks_at=("gradients",),
    )


@pytest.mark.parametrize("open_gates", [(True, True, True), (True, False, True)])
def test_gradients_themselves(open_gates: tuple[bool, ...]) -> None:
    model, given = make_given(*open_gates)
    joint = move(model, equal(), sources.at_features(model), given)
    method, seen = watch(keep_gradients())
    for source in (sources.gradients_at_features(model), sources.gradients_at_parameters(model, sum(open_gates))):
        moved = move(model, method, source, given)
        torch.testing.assert_close(moved.trunk_N, joint.trunk_N)
        tree_map(torch.testing.assert_close, moved.heads, joint.heads)
    at_features_KN, at_parameters_KN = map(known_gradients, seen)
    assert at_features_KN.shape == (3, 6 * (4 + 6))
    expected_KN = trunk_gradients(model, given) * torch.tensor(open_gates)[:, None]
    found = [from_row(row_N, given.state.params.trunk) for row_N in at_parameters_KN]
    found_KN = torch.stack([torch.cat([value.flatten() for value in tree.values()]) for tree in found])
    torch.testing.assert_close(found_KN, expected_KN)


ALL_SOURCES: dict[str, Callable[[Model], Source]] = {
    "at_features": sources.at_features,
    "remembered": sources.remembered,
    "at_parameters": lambda model: sources.at_parameters(model, PROBES, 2, halves=False),
    "halves": lambda model: sources.at_parameters(model, PROBES, 2, halves=True),
    "part": lambda model: sources.at_parameters_of_first(model, {}, 2, 4, halves=False),
    "gradients_at_features": sources.gradients_at_features,
    "gradients_at_parameters": lambda model: sources.gradients_at_parameters(model, 2),
}


def make_descent(source: Source) -> Callable[[Given, TaskGradients], tuple[TrainState, Tensor | None]]:
    """What a step does with a source, without losses, method and optimizer, which would be most of the graph."""

    def descend(given: Given, gradients: TaskGradients) -> tuple[TrainState, Tensor | None]:
        _, buffers, pull_back = source.forward(given)
        measured = source.measure(given, gradients, pull_back)
        weights_K = torch.stack([given.gates[task].float() for task in TASKS])
        rows_KN = measured.gradients_KN
        combined = measured.combine(weights_K if rows_KN is None else weights_K @ rows_KN)
        trunk = {name: given.state.params.trunk[name] - gradient for name, gradient in combined.items()}
        params = given.state.params._replace(trunk=trunk)
        return given.state._replace(params=params, buffers=buffers, products=measured.products), rows_KN

    return descend


@pytest.mark.parametrize("name", ALL_SOURCES)
def test_every_source_compiles_whole_and_once(name: str) -> None:
    """One graph for any two open tasks, with the eager numbers."""
    model, params, buffers = make_tiny()
    source = ALL_SOURCES[name](model)
    eager = make_descent(source)
    torch._dynamo.reset()
    compiled = torch.compile(eager, fullgraph=True, backend="eager")
    state = other = init_state(model, params, buffers, sgd(), equal())
    for index, gates in enumerate(((True, False, True), (False, True, True))):
        batch = make_batch(num_images=6, seed=index)
        given = Given(state, normalize(batch.inputs), batch, mask_matrix(batch, TASKS), make_gates(TASKS, *gates))
        features, _, _ = source.forward(given)
        _, gradients = task_losses_and_gradients(model, params.heads, features, batch.labels, batch.mask)
        state, rows_KN = eager(given, gradients)
        with torch._dynamo.config.patch(error_on_recompile=index > 0):
            other, compiled_rows_KN = compiled(given._replace(state=other), gradients)
        for a, b in zip(tree_leaves((state, rows_KN)), tree_leaves((other, compiled_rows_KN)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_every_few_steps() -> None:
    """Looks in the first step and in every third; between these the state keeps what was seen."""
    model, params, buffers = make_tiny()
    take = sourcing.make_sourced_step(
        model,
        upgrad(),
        Sourcing(level="parameters", every=3),
        params,
        buffers,
        (6, 3, 8, 8),
        lambda source: make_train_step(model, adamw(), SCHEDULE, upgrad(), source),
    )
    state, seen = init_state(model, params, buffers, adamw(), upgrad()), []
    for number in range(6):
        state, _ = take(state, make_batch(6, seed=number), make_gates(TASKS, True, True, True), 3, number)
        seen.append(state.products.gramian_KK)
    same = [torch.equal(seen[index], seen[index + 1]) for index in range(5)]
    assert same == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("fields", "on_gradients", "per_step", "words"),
    [
        ({"level": "here"}, False, False, "^level is 'here', .*choose one of auto, features, parameters"),
        ({"level": "features"}, True, False, "keeps gradients from step to step"),
        ({"level": "parameters", "every": 0}, False, False, "from 1 up"),
        ({"level": "parameters", "fraction": 0.0}, False, False, "above 0"),
        ({"every": 2}, True, False, "changes the gradients"),
        ({"level": "parameters", "every": 2}, False, True, "drawn per step"),
    ],
)
def test_mistakes(fields: dict[str, Any], on_gradients: bool, per_step: bool, words: str) -> None:
    method = keep_gradients()._replace(at_features=False) if on_gradients else upgrad()
    with pytest.raises(UserError, match=words):
        sourcing.check(Sourcing(**fields), method, per_step)
    sourcing.check(Sourcing(), method, per_step)


def test_a_part_of_one_image() -> None:
    model, params, buffers = make_tiny()
    with pytest.raises(UserError, match="leaves 1 of 6 images"):
        sourcing.make_sourced_step(
            model,
            upgrad(),
            Sourcing(level="parameters", fraction=0.2),
            params,
            buffers,
            (6, 3, 8, 8),
            lambda source: None,
        )


def test_auto_looks_at_the_features_where_the_method_can() -> None:
    assert sourcing.find_level("auto", upgrad()) == "features"
    assert sourcing.find_level("auto", keep_gradients()) == "features"
    assert sourcing.find_level("auto", keep_gradients()._replace(at_features=False)) == "parameters"
    assert sourcing.find_level("parameters", equal()) == "parameters"
