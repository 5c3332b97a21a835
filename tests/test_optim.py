"""Optimizers against torch.optim, schedules against values by hand, and purity."""

import math

import pytest
import torch
from torch.func import vmap

from mtl.errors import UserError
from mtl.optim import Optimizer, adamw, make_optimizer, make_schedule, sgd


def trajectory(update: str, optimizer: Optimizer, reference: type[torch.optim.Optimizer], **options: float) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"w": (5, 3), "b": (3,), "kernel": (4, 3, 3, 3)}
    draw = lambda: {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}  # noqa: E731
    params = draw()
    theirs = {name: torch.nn.Parameter(value.clone()) for name, value in params.items()}
    peer = reference(theirs.values(), lr=0.1, **options)
    state = optimizer.init(params)
    for number in range(20):
        learning_rate, gradients = 0.1 / (1 + number), draw()
        for name, value in theirs.items():
            value.grad = gradients[name]
        peer.param_groups[0]["lr"] = learning_rate
        peer.step()
        params, state = getattr(optimizer, update)(gradients, state, params, torch.tensor(learning_rate))
        for name, value in params.items():
            torch.testing.assert_close(value, theirs[name].detach(), rtol=1e-5, atol=1e-6)


UPDATES = pytest.mark.parametrize("update", ["update", "update_donated"])


@UPDATES
def test_sgd_is_torchs(update: str) -> None:
    trajectory(update, sgd(0.9, 0.01), torch.optim.SGD, momentum=0.9, weight_decay=0.01)


@UPDATES
def test_adamw_is_torchs(update: str) -> None:
    trajectory(update, adamw(weight_decay=0.1), torch.optim.AdamW, weight_decay=0.1)


@pytest.mark.parametrize("optimizer", [sgd(), adamw()])
def test_update_writes_into_nothing_it_was_given(optimizer: Optimizer) -> None:
    params, gradients = {"w": torch.ones(3)}, {"w": torch.full((3,), 2.0)}
    _, state = optimizer.update(gradients, optimizer.init(params), params, torch.tensor(0.1))
    before = [tensor.clone() for tensor in (params["w"], gradients["w"], *(m["w"] for m in state.moments.values()))]
    optimizer.update(gradients, state, params, torch.tensor(0.1))
    after = (params["w"], gradients["w"], *(m["w"] for m in state.moments.values()))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("of_params", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("of_gradients", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("optimizer", [sgd(weight_decay=0.1), adamw()])
def test_donated_is_the_same_whatever_the_layouts(
    optimizer: Optimizer, of_gradients: torch.memory_format, of_params: torch.memory_format
) -> None:
    draw = lambda layout: {"kernel": torch.randn(5, 4, 3, 3).contiguous(memory_format=layout)}  # noqa: E731
    params, gradients, rate = draw(of_params), draw(of_gradients), torch.tensor(0.1)
    wanted = optimizer.update(gradients, optimizer.init(params), params, rate)
    kept = gradients["kernel"].clone()
    found = optimizer.update_donated(gradients, optimizer.init(params), params, rate)
    torch.testing.assert_close(found, wanted)
    assert torch.equal(gradients["kernel"], kept)  # the caller did not give it up
    assert found[0]["kernel"].data_ptr() == params["kernel"].data_ptr()
    assert int(found[1].num_updates) == 1


@pytest.mark.parametrize("optimizer", [sgd(weight_decay=0.1), adamw()])
def test_vmapped_over_tasks_is_one_by_one(optimizer: Optimizer) -> None:
    params, gradients = {"w": torch.randn(4, 3)}, {"w": torch.randn(4, 3)}
    rate = torch.tensor(0.1)
    state = vmap(optimizer.init)(params)
    stacked, _ = vmap(optimizer.update, in_dims=(0, 0, 0, None))(gradients, state, params, rate)
    for k in range(4):
        one = {"w": params["w"][k]}
        alone, _ = optimizer.update({"w": gradients["w"][k]}, optimizer.init(one), one, rate)
        torch.testing.assert_close(stacked["w"][k], alone["w"])


def test_schedules() -> None:
    rate = lambda name, step: make_schedule(name, 0.8, 12, 2)(torch.tensor(step)).item()  # noqa: E731
    assert [rate("cosine", step) for step in (0, 1, 2, 7, 12)] == pytest.approx([0.4, 0.8, 0.8, 0.4, 0.0], abs=1e-7)
    assert [rate("constant", step) for step in (0, 1, 11)] == pytest.approx([0.4, 0.8, 0.8])
    assert rate("cosine", 4) == pytest.approx(0.8 * 0.5 * (1 + math.cos(math.pi * 0.2)))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match=r"^optimizer is 'adam', .*choose one of adamw, sgd"):
        make_optimizer("adam", 0.9, 0.0)
    with pytest.raises(UserError, match=r"^schedule is 'linear', .*choose one of cosine, constant"):
        make_schedule("linear", 0.1, 10, 0)
