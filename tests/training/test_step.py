"""The step: purity, dropped tasks, agreement with plain autograd and with torch.compile."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._pytree import tree_leaves, tree_map

from mtl.gradients.sources import at_features
from mtl.methods.equal import equal
from mtl.methods.scale_invariant import scale_invariant
from mtl.models.images import Augmentation, augment, augment_and_normalize, normalize
from mtl.models.model import Model, Params, separate
from mtl.optim import Optimizer, adamw, make_schedule, sgd
from mtl.state import TrainState
from mtl.training.measuring import make_loss_step, make_predict_step
from mtl.training.step import init_state
from tests.tiny import TASKS, TinyNet, make_batch, make_gates, make_tiny, make_train_step

SCHEDULE = make_schedule("cosine", 0.05, 20, 2)
ALL_ON = make_gates(TASKS, True, True, True)


def assert_same_bits(a: object, b: object) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        assert torch.equal(x, y)


def make_case(head: str = "linear") -> tuple[Model, TrainState]:
    model, params, buffers = make_tiny(head=head)
    return model, init_state(model, params, buffers, adamw(), equal())


def test_step_is_pure() -> None:
    model, state = make_case()
    step, batch = make_train_step(model, adamw(), SCHEDULE, equal(), at_features(model)), make_batch()
    before = copy.deepcopy((state, batch))
    once, twice = step(state, batch, ALL_ON), step(state, batch, ALL_ON)
    assert_same_bits((state, batch), before)
    assert_same_bits(once, twice)
    assert int(once[0].step) == 1
    moved = [not torch.equal(a, b) for a, b in zip(tree_leaves(once[0]), tree_leaves(state), strict=True)]
    assert all(moved), "some parameter, buffer or moment did not move"


@pytest.mark.parametrize("make", [adamw, sgd])
def test_a_donating_step_writes_over_the_trunk_and_its_moments_alone(make: Callable[[], Optimizer]) -> None:
    model, params, buffers = make_tiny()
    state, batch = init_state(model, params, buffers, make(), equal()), make_batch()
    pure = make_train_step(model, make(), SCHEDULE, equal(), at_features(model))
    donating = make_train_step(model, make(), SCHEDULE, equal(), at_features(model), donate=True)
    wanted, before = pure(state, batch, ALL_ON), copy.deepcopy((state, batch))
    found = donating(state, batch, ALL_ON)
    torch.testing.assert_close(found, wanted)
    untouched = lambda state: state._replace(  # noqa: E731
        params=state.params._replace(trunk={}),
        optimizer=state.optimizer._replace(trunk=state.optimizer.trunk.num_updates),
    )
    assert_same_bits((untouched(state), batch), (untouched(before[0]), before[1]))
    for name, value in found[0].params.trunk.items():
        assert value.data_ptr() == state.params.trunk[name].data_ptr(), name


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("dropped", [(True, False, True), (False, False, True)])
def test_dropped_heads_keep_their_bits(head: str, dropped: tuple[bool, ...]) -> None:
    model, state = make_case(head)
    step = make_train_step(model, adamw(weight_decay=0.1), SCHEDULE, equal(), at_features(model))
    state, _ = step(state, make_batch(seed=1), ALL_ON)  # so that momentum could move them
    after = state
    for seed in range(3):
        after, metrics = step(after, make_batch(seed=seed), make_gates(TASKS, *dropped))
    assert all(float(loss) > 0 for loss in metrics.losses.values()), "losses of dropped tasks are still told"
    for name, group in model.groups.items():
        for index, task in enumerate(group.tasks):
            pick = lambda tree, index=index: tree_map(lambda value: value[index], tree)  # noqa: E731
            new = pick((after.params.heads[name], after.optimizer.heads[name]))
            old = pick((state.params.heads[name], state.optimizer.heads[name]))
            if dropped[TASKS.index(task)]:
                assert all(not torch.equal(a, b) for a, b in zip(tree_leaves(new), tree_leaves(old), strict=True))
            else:
                assert_same_bits(new, old)


def test_trunk_is_updated_by_the_active_tasks_only() -> None:
    """With b dropped, b's labels and b's head have no influence on the trunk."""
    model, state = make_case()
    step, batch = make_train_step(model, adamw(), SCHEDULE, equal(), at_features(model)), make_batch()
    gates = make_gates(TASKS, True, False, True)
    labels = batch.labels | {"b": 1 - batch.labels["b"]}
    one, _ = step(state, batch, gates)
    other, _ = step(state, batch._replace(labels=labels), gates)
    assert_same_bits(one.params.trunk, other.params.trunk)
    on, _ = step(state, batch._replace(labels=labels), ALL_ON)
    assert not torch.equal(on.params.trunk["stage1.0.weight"], one.params.trunk["stage1.0.weight"])


def test_against_a_plain_training_loop() -> None:
    """Ten steps with changing gates against nn.Module, loss.backward() and torch.optim."""
    tasks = TASKS
    model, params, buffers = make_tiny(tasks, taps=())
    state = init_state(model, params, buffers, sgd(), equal())
    step = make_train_step(model, sgd(), make_schedule("constant", 0.1, 1, 0), equal(), at_features(model))

    trunk = TinyNet()
    trunk.fc = nn.Identity()
    trunk.load_state_dict(params.trunk | buffers)
    heads = nn.ModuleList(nn.Linear(6, 1) for _ in tasks)
    for index, head in enumerate(heads):
        head.load_state_dict({name: value[index] for name, value in params.heads["stage2"].items()})
    optimizers = [torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9) for module in (trunk, *heads)]
    for number in range(10):
        batch, gates = make_batch(num_images=8, seed=number), [True, number % 2 == 0, number % 3 != 1]
        features = trunk(augment_and_normalize(batch.inputs, batch.augmentation))
        losses = []
        for task, head in zip(tasks, heads, strict=True):
            known = batch.mask[task] > 0
            losses.append(binary_cross_entropy_with_logits(head(features)[known, 0], batch.labels[task][known]))
        for optimizer in optimizers:
            optimizer.zero_grad()
        torch.stack([loss for loss, gate in zip(losses, gates, strict=True) if gate]).sum().backward()
        for optimizer, gate in zip(optimizers, [True, *gates], strict=True):
            if gate:
                optimizer.step()
        state, metrics = step(state, batch, make_gates(tasks, *gates))
        for task, loss in zip(tasks, losses, strict=True):
            torch.testing.assert_close(metrics.losses[task], loss.detach(), rtol=1e-4, atol=1e-5)
    for name, value in trunk.state_dict().items():
        torch.testing.assert_close((state.params.trunk | state.buffers)[name], value, rtol=1e-3, atol=1e-4)
    for index, head in enumerate(heads):
        for name, value in head.state_dict().items():
            torch.testing.assert_close(state.params.heads["stage2"][name][index], value, rtol=1e-3, atol=1e-4)


def test_losses_before_training_are_those_of_the_first_step() -> None:
    model, state = make_case()
    still = Augmentation(torch.zeros(4, dtype=torch.bool), torch.zeros(4, 2, dtype=torch.int64))
    batch = make_batch()._replace(augmentation=still)
    before = make_loss_step(model, normalize)(state.params, state.buffers, batch)
    _, metrics = make_train_step(model, adamw(), SCHEDULE, equal(), at_features(model))(state, batch, ALL_ON)
    for task in TASKS:
        torch.testing.assert_close(before[task], metrics.losses[task])


def test_prediction_uses_running_statistics() -> None:
    """So an image's logits do not depend on the others of its batch."""
    model, state = make_case()
    predict, images = make_predict_step(model, normalize), make_batch(num_images=4).inputs
    together = predict(state.params, state.buffers, images)
    alone = predict(state.params, state.buffers, images[:1])
    for task in TASKS:
        assert together[task].shape == (4, 1)
        torch.testing.assert_close(together[task][:1], alone[task], rtol=1e-4, atol=1e-5)


def test_augment_by_hand() -> None:
    images = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3).repeat(3, 1, 1, 1)
    flip = torch.tensor([False, True, False])
    shift = torch.tensor([[0, 0], [0, 0], [1, -1]])
    plain, mirrored, moved = augment(images, Augmentation(flip, shift))[:, 0].tolist()
    assert plain == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert mirrored == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]
    assert moved == [[3, 3, 4], [6, 6, 7], [6, 6, 7]]


def test_normalize_is_torchvisions() -> None:
    from torchvision.transforms.v2 import functional

    images = make_batch().inputs
    expected = functional.normalize(images.float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(normalize(images), expected, rtol=1e-4, atol=1e-5)


def test_a_network_per_task_is_that_task_trained_alone() -> None:
    """Parameters, losses and predictions of each of the K networks equal a joint run with that task as its only one."""
    together, params, buffers = make_tiny()
    model, params_K, buffers_K = separate(together, params, buffers, at_once=False)
    state = train(model, init_state(model, params_K, buffers_K, adamw(), equal()))
    for k, task in enumerate(TASKS):
        tap, group = next((name, group) for name, group in together.groups.items() if task in group.tasks)
        alone = together._replace(tasks=(task,), groups={tap: group._replace(tasks=(task,))}, trunk=only(together, tap))
        head = {name: value.clone() for name, value in params_K.heads[task].items()}
        one = train(alone, init_state(alone, Params(params.trunk, {tap: head}), buffers, adamw(), equal()))
        for name, value in one.params.trunk.items():
            torch.testing.assert_close(state.params.trunk[name][k], value)
        for name, value in one.buffers.items():
            torch.testing.assert_close(state.buffers[name][k], value)
        torch.testing.assert_close(state.params.heads[task], one.params.heads[tap])


def test_all_networks_at_once_equal_one_after_the_other() -> None:
    made = make_tiny()
    states = []
    for at_once in (False, True):
        model, params, buffers = separate(*made, at_once=at_once)
        states.append(train(model, init_state(model, params, buffers, adamw(), equal())))
    for one, other in zip(tree_leaves(states[0]), tree_leaves(states[1]), strict=True):
        torch.testing.assert_close(one, other)


def test_a_task_without_a_label_in_the_batch_is_not_weighed() -> None:
    """Its loss is 0, and scale-invariant weights are 1 / loss: the others' weights and all parameters stay finite."""
    model, params, buffers = make_tiny()
    batch = make_batch()
    mask = {"a": torch.ones(4), "b": torch.zeros(4), "c": torch.ones(4)}
    step = make_train_step(model, adamw(), SCHEDULE, scale_invariant(), at_features(model))
    state = init_state(model, params, buffers, adamw(), scale_invariant())
    state, metrics = step(state, batch._replace(mask=mask), ALL_ON)
    assert metrics.weights["b"] == 0.0
    torch.testing.assert_close(metrics.weights["a"], 1.0 / metrics.losses["a"])
    assert all(torch.isfinite(leaf).all() for leaf in tree_leaves(state))


def only(model: Model, tap: str) -> Callable[..., tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """The trunk with one of its taps."""

    def trunk(*args: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        features, buffers = model.trunk(*args)
        return {tap: features[tap]}, buffers

    return trunk


def train(model: Model, state: TrainState) -> TrainState:
    """Three steps on one batch."""
    batch = make_batch()
    step = make_train_step(model, adamw(), SCHEDULE, equal(), at_features(model))
    for _ in range(3):
        state, _ = step(state, batch, make_gates(model.tasks, *[True] * len(model.tasks)))
    return state
