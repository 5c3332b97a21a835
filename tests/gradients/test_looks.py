"""Looks at the gradients: what a method sees, what the trunk moves along, and how many tasks are pulled back."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ml_collections import ConfigDict
from mtl.gradients.direction import Look, Start, make_direction
from torch import Tensor
from torch.utils._pytree import tree_map

from configs.default import get_config
from mtl.errors import UserError
from mtl.gradients import looks
from mtl.gradients import parameters as parameter_gradients
from mtl.gradients.per_task import InnerProducts
from mtl.losses import masked_binary_cross_entropy
from mtl.methods.equal import equal
from mtl.methods.interface import GradientMethod, Method, Observation
from mtl.methods.mgda import mgda
from mtl.methods.upgrad import upgrad
from mtl.models.model import Model, normalize
from mtl.optim import adamw, make_schedule
from mtl.training import stepping
from mtl.training.step import init_state, make_train_step
from tests.tiny import TASKS, make_batch, make_gates, make_tiny

PROBES = {"stage2.0": (6, 6, 4, 4)}
SCHEDULE = make_schedule("constant", 0.01, 1, 0)


def in_double(tree: Any) -> Any:
    return tree_map(lambda x: x.double() if x.is_floating_point() else x, tree)


def make_start(*gates: bool) -> tuple[Model, Start]:
    """Of the tiny network with 6 images in float64, all labels known but one."""
    model, params, buffers = make_tiny()
    batch = make_batch(num_images=6)
    mask_BK = torch.ones_like(batch.mask_BK)
    mask_BK[0, 1] = 0.0
    params, buffers, batch = in_double((params, buffers, batch._replace(mask_BK=mask_BK)))
    products = InnerProducts(*torch.eye(len(TASKS), dtype=torch.float64).expand(2, -1, -1))
    images = normalize(batch.images_BCHW).double()
    start = Start(params, buffers, (), products, images, batch, make_gates(TASKS, *gates), torch.tensor(0.01).double())
    return model, start


def trunk_gradients(model: Model, start: Start, images: slice = slice(None), of: slice = slice(None)) -> Tensor:
    """[K, N] by autograd: a forward pass of some images, losses of some of these."""
    leaves = {name: value.clone().requires_grad_() for name, value in start.params.trunk.items()}
    features, _ = model.trunk(leaves, start.buffers, start.images_BCHW[images], True)
    rows = []
    for k, task in enumerate(model.tasks):
        (tap,) = (tap for tap, members in model.groups.items() if task in members)
        head = {name: value[model.groups[tap].index(task)] for name, value in start.params.heads[tap].items()}
        logits_B = model.head(head, features[tap])[of]
        labels_B, mask_B = start.batch.labels_BK[images][of, k], start.batch.mask_BK[images][of, k]
        loss = masked_binary_cross_entropy(logits_B, labels_B, mask_B)
        gradients = torch.autograd.grad(
            loss, list(leaves.values()), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows)


def flat(trunk: dict[str, Tensor], start: Start) -> Tensor:
    return torch.cat([trunk[name].flatten() for name in start.params.trunk])


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
    model, start = make_start(*open_gates)
    method, seen = watch(upgrad()._replace(needs_halves=halves))
    look = looks.at_parameters(model, PROBES, sum(open_gates), halves)
    direction = make_direction(model, method, look)(start)
    rows_KN = trunk_gradients(model, start) * torch.tensor(open_gates)[:, None]
    torch.testing.assert_close(seen[0].gramian_KK, rows_KN @ rows_KN.T)
    torch.testing.assert_close(direction.gramians["parameters"], rows_KN @ rows_KN.T)
    weights_K = torch.stack(list(direction.weights.values()))
    torch.testing.assert_close(flat(direction.trunk, start), weights_K @ rows_KN)
    assert ((weights_K != 0) == torch.tensor(open_gates)).all()
    if halves:
        first_KN, second_KN = (
            trunk_gradients(model, start, of=half) * torch.tensor(open_gates)[:, None]
            for half in (slice(0, 3), slice(3, 6))
        )
        torch.testing.assert_close(seen[0].halves_KK, first_KN @ second_KN.T)
    else:
        assert seen[0].halves_KK is None


def test_only_a_method_that_needs_positive_losses_is_shown_1e_12_for_0() -> None:
    """A task without a label in the batch has a loss of 0."""
    model, start = make_start(True, True, True)
    unlabelled = start.batch.mask_BK & torch.tensor([True, False, True])
    start = start._replace(batch=start.batch._replace(mask_BK=unlabelled))
    for needs, least in [(True, 1e-12), (False, 0.0)]:
        method, seen = watch(upgrad()._replace(needs_positive_losses=needs))
        direction = make_direction(model, method, looks.at_features(model))(start)
        losses_K = torch.stack(list(direction.losses.values()))
        assert losses_K[1] == 0.0
        torch.testing.assert_close(seen[0].losses_K, losses_K.clamp(min=least), rtol=0.0, atol=0.0)
        assert seen[0].open_K.tolist() == [True, False, True]


def test_only_open_tasks_are_pulled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[int] = []

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        mapped = original(function)

        def counted(cotangents: dict[str, Tensor]) -> Any:
            pulled.append(len(next(iter(cotangents.values()))))
            return mapped(cotangents)

        return counted

    original = parameter_gradients.one_by_one
    monkeypatch.setattr(parameter_gradients, "one_by_one", counting)
    model, start = make_start(True, False, True)
    make_direction(model, mgda(), looks.at_parameters(model, PROBES, 2, halves=False))(start)
    make_direction(model, keep_gradients(), looks.of_gradients_at_parameters(model, 2))(start)
    assert pulled == [2, 2]


def test_on_a_part_of_the_batch() -> None:
    """What is seen is a gradient of the part alone, normalised by itself; what is done is with the whole batch."""
    model, start = make_start(True, True, True)
    method, seen = watch(upgrad())
    direction = make_direction(model, method, looks.at_parameters_of_a_part(model, {}, 3, 4, halves=False))(start)
    rows_KN = trunk_gradients(model, start, images=slice(0, 4))
    torch.testing.assert_close(seen[0].gramian_KK, rows_KN @ rows_KN.T)
    weights_K = torch.stack(list(direction.weights.values()))
    torch.testing.assert_close(flat(direction.trunk, start), weights_K @ trunk_gradients(model, start))
    plain = make_direction(model, equal(), looks.at_features(model))(start)
    assert all(torch.equal(direction.buffers[name], plain.buffers[name]) for name in plain.buffers)


def test_as_before() -> None:
    model, start = make_start(True, True, True)
    method, seen = watch(mgda())
    direction = make_direction(model, method, looks.as_before(model))(start)
    assert torch.equal(seen[0].gramian_KK, start.products.gramian_KK)
    assert torch.equal(direction.products.gramian_KK, start.products.gramian_KK)
    torch.testing.assert_close(flat(direction.trunk, start), trunk_gradients(model, start).mean(0))


def keep_gradients() -> GradientMethod[tuple[()]]:
    """Equal weights of the gradients as they are."""
    return GradientMethod(
        lambda num_tasks, num_coordinates, device: (),
        lambda state, observation, gradients_KN: (observation.open_K.to(gradients_KN.dtype), gradients_KN, state),
        at_features=True,
    )


@pytest.mark.parametrize("open_gates", [(True, True, True), (True, False, True)])
def test_gradients_themselves(open_gates: tuple[bool, ...]) -> None:
    model, start = make_start(*open_gates)
    joint = make_direction(model, equal(), looks.at_features(model))(start)
    rows: list[Tensor] = []

    def update(state: Any, observation: Observation, gradients_KN: Tensor) -> tuple[Tensor, Tensor, Any]:
        rows.append(gradients_KN)
        return keep_gradients().update(state, observation, gradients_KN)

    method = keep_gradients()._replace(update=update)
    for look in (looks.of_gradients_at_features(model), looks.of_gradients_at_parameters(model, sum(open_gates))):
        direction = make_direction(model, method, look)(start)
        torch.testing.assert_close(flat(direction.trunk, start), flat(joint.trunk, start))
        tree_map(torch.testing.assert_close, direction.heads, joint.heads)
    at_features_KN, at_parameters_KN = rows
    assert at_features_KN.shape == (3, 6 * (4 + 6))
    expected_KN = trunk_gradients(model, start) * torch.tensor(open_gates)[:, None]
    torch.testing.assert_close(at_parameters_KN, expected_KN)


ALL_LOOKS: dict[str, Callable[[Model], tuple[Method[Any] | GradientMethod[Any], Look]]] = {
    "at_features": lambda model: (upgrad(), looks.at_features(model)),
    "as_before": lambda model: (upgrad(), looks.as_before(model)),
    "at_parameters": lambda model: (upgrad(), looks.at_parameters(model, PROBES, 2, halves=False)),
    "halves": lambda model: (upgrad()._replace(needs_halves=True), looks.at_parameters(model, PROBES, 2, halves=True)),
    "part": lambda model: (upgrad(), looks.at_parameters_of_a_part(model, {}, 2, 4, halves=False)),
    "gradients_at_features": lambda model: (keep_gradients(), looks.of_gradients_at_features(model)),
    "gradients_at_parameters": lambda model: (keep_gradients(), looks.of_gradients_at_parameters(model, 2)),
}


@pytest.mark.parametrize("name", ALL_LOOKS)
def test_every_look_compiles_whole_and_once(name: str) -> None:
    """One graph for any two open tasks, with the eager step's numbers."""
    model, params, buffers = make_tiny()
    method, look = ALL_LOOKS[name](model)
    step = make_train_step(model, adamw(), SCHEDULE, method, look)
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend="eager")
    state = other = init_state(model, params, buffers, adamw(), method)
    for index, gates in enumerate(((True, False, True), (False, True, True))):
        batch = make_batch(num_images=6, seed=index)
        state, metrics = step(state, batch, make_gates(TASKS, *gates))
        with torch._dynamo.config.patch(error_on_recompile=index > 0):
            other, compiled_metrics = compiled(other, batch, make_gates(TASKS, *gates))
        tree_map(lambda a, b: torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6), metrics, compiled_metrics)


def options(**fields: Any) -> ConfigDict:
    gradients = get_config().gradients
    gradients.update(fields)
    return gradients


def test_every_few_steps() -> None:
    """Looks in the first step and in every third; between these the state keeps what was seen."""
    model, params, buffers = make_tiny()
    take = stepping.make_stepper(
        model,
        upgrad(),
        options(level="parameters", every=3),
        params,
        buffers,
        (6, 3, 8, 8),
        lambda look: make_train_step(model, adamw(), SCHEDULE, upgrad(), look),
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
        ({"level": "here"}, False, False, "choose auto, features or parameters"),
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
        stepping.check(options(**fields), method, per_step)
    stepping.check(options(), method, per_step)


def test_a_part_of_one_image() -> None:
    model, params, buffers = make_tiny()
    with pytest.raises(UserError, match="leaves 1 of 6 images"):
        stepping.make_stepper(
            model, upgrad(), options(level="parameters", fraction=0.2), params, buffers, (6, 3, 8, 8), lambda look: None
        )


def test_auto_looks_at_the_features_where_the_method_can() -> None:
    assert stepping.find_level("auto", upgrad()) == "features"
    assert stepping.find_level("auto", keep_gradients()) == "features"
    assert stepping.find_level("auto", keep_gradients()._replace(at_features=False)) == "parameters"
    assert stepping.find_level("parameters", equal()) == "parameters"
