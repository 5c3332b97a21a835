"""Layers that know the whole batch, in two threads that stand for two processes."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from mtl.models.noise import replace_noise
from mtl.models.spread import WholeBatchNorm, spread
from mtl.world import ALONE, World

NUM = 2


def worlds() -> list[World]:
    """Two that sum with each other."""
    barrier, given = threading.Barrier(NUM, timeout=300.0), dict[int, Sequence[Tensor]]()

    def summing(rank: int) -> Callable[[Sequence[Tensor]], list[Tensor]]:
        def total(tensors: Sequence[Tensor]) -> list[Tensor]:
            given[rank] = tensors
            barrier.wait()
            summed = [a + b for a, b in zip(given[0], given[1], strict=True)]
            barrier.wait()
            return summed

        return total

    return [ALONE._replace(rank=r, size=NUM, rows=slice(r, None, NUM), sum=summing(r)) for r in range(NUM)]


def together(function: Callable[[World], Tensor]) -> Tensor:
    """What both give, row by row."""
    with ThreadPoolExecutor(NUM) as pool:
        parts = list(pool.map(function, worlds()))
    return torch.stack(parts, dim=1).flatten(0, 1)


def make_layer(momentum: float | None) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(3, momentum=momentum)
    nn.init.normal_(layer.weight, 1.0, 0.3, torch.Generator().manual_seed(0))
    nn.init.normal_(layer.bias, 0.0, 0.3, torch.Generator().manual_seed(1))
    return layer


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batchnorm_is_that_of_the_whole_batch(momentum: float | None) -> None:
    generator = torch.Generator().manual_seed(2)
    values, cotangents = 3.0 + 2.0 * torch.randn(2, 8, 3, 4, 4, generator=generator)
    layer = make_layer(momentum)
    params, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())

    def run(module: nn.Module, rows: slice) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        def apply(inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            moved = {name: value.clone() for name, value in buffers.items()}
            return functional_call(module, (params, moved), (inputs,)), moved

        outputs, pull_back, moved = vjp(apply, values[rows], has_aux=True)  # type: ignore[misc]
        pulled = vmap(pull_back)(torch.stack([cotangents[rows], 2.0 * cotangents[rows]]))[0]
        return outputs.detach(), pulled.detach().transpose(0, 1), moved

    outputs, pulled, moved = run(layer, slice(None))
    found: list[dict[str, Tensor]] = []

    def part(world: World, which: int) -> Tensor:
        both = run(WholeBatchNorm(layer, world), world.rows)
        found.append(both[2])
        return both[which]  # type: ignore[return-value]

    torch.testing.assert_close(together(lambda world: part(world, 0)), outputs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together(lambda world: part(world, 1)), pulled, rtol=1e-5, atol=1e-5)
    for each in found:
        torch.testing.assert_close(each, moved, rtol=1e-5, atol=1e-6)


def test_batchnorm_in_evaluation_is_the_layer_itself() -> None:
    layer, values = make_layer(0.1).eval(), torch.ones(2, 3, 4, 4)
    assert torch.equal(WholeBatchNorm(layer, worlds()[0])(values), layer(values))


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.Dropout2d(0.5)])
def test_noise_is_that_of_the_place_in_the_whole_batch(layer: nn.Module) -> None:
    module, values = replace_noise(nn.Sequential(layer), seed=0), torch.ones(16, 3, 4, 4)
    parts = together(lambda world: spread(module, world, synchronized=False)(values[world.rows]))
    assert torch.equal(parts, spread(module, ALONE, synchronized=False)(values))
    assert 0.0 in parts and 2.0 in parts
