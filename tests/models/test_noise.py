"""Dropout and stochastic depth as functions of the buffers: exact values, statistics, steps that can be repeated."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import vjp, vmap
from torchvision.ops import StochasticDepth

from mtl.errors import UserError
from mtl.models.backbones import from_module
from mtl.models.noise import Drop, replace_noise, uniforms
from mtl.models.stateless import Backbone

KEY, COUNT = torch.tensor(123_456_789), torch.tensor(7)


class Noisy(nn.Module):
    """A convolution, stochastic depth around another, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.residual = nn.Sequential(nn.Conv2d(4, 4, 1), StochasticDepth(0.5, "row"))
        self.dropout = nn.Dropout(0.3)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        map_BCHW = self.stem(images_BCHW)
        return self.dropout(map_BCHW + self.residual(map_BCHW))


def make_noisy(seed: int = 0) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Noisy()
    return from_module(module, {"end": "dropout"}, torch.empty(2, 3, 8, 8), seed=seed)


def make_images() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_uniforms_by_hand() -> None:
    """The same in Python's integers, which know no overflow."""

    def mix(word: int) -> int:
        word = ((word ^ (word >> 16)) * 0x21F0AAAD) % 2**32
        word = ((word ^ (word >> 15)) * 0x735A2D97) % 2**32
        return word ^ (word >> 15)

    a = mix(mix(123_456_789) ^ 7)
    expected = [(2 * (mix(mix(2**32 - 1 - a) ^ mix(a ^ n)) >> 9) + 1) / 2**24 for n in range(6)]
    assert uniforms(KEY, COUNT, (3, 2)).flatten().tolist() == expected


def test_uniforms_are_uniform_and_unrelated() -> None:
    num = 100_000
    keys = [torch.tensor(key) for key in (0, 1, 2, 2**32 - 1)]
    rows = torch.stack([uniforms(key, torch.tensor(count), (num,)) for key in keys for count in (0, 1)])
    assert rows.min() > 0.0
    assert rows.max() < 1.0
    counts = torch.stack([torch.histc(row, 10, 0.0, 1.0) for row in rows])
    assert (counts - num / 10).abs().max() < 5 * (num * 0.09) ** 0.5  # five standard deviations
    assert (torch.corrcoef(rows) - torch.eye(len(rows))).abs().max() < 5 / num**0.5
    shifted = torch.corrcoef(torch.stack([rows[0][:-1], rows[0][1:]]))[0, 1]
    assert abs(shifted) < 5 / num**0.5, "neighbours are unrelated too"


def test_uniforms_of_one_place_over_many_passes() -> None:
    num = 5_000
    rows = vmap(lambda count: uniforms(KEY, count, (3,)), out_dims=1)(torch.arange(num))
    assert (rows.mean(dim=1) - 0.5).abs().max() < 5 * (1 / 12 / num) ** 0.5
    assert (torch.corrcoef(torch.cat([rows[:, 1:], rows[:, :-1]])) - torch.eye(6)).abs().max() < 5 / num**0.5


def test_the_first_images_have_the_same_noise_in_a_smaller_batch() -> None:
    assert torch.equal(uniforms(KEY, COUNT, (3, 5)), uniforms(KEY, COUNT, (8, 5))[:3])


@pytest.mark.parametrize(("num_dims", "constant"), [(0, (0, 1, 2, 3)), (1, (1, 2, 3)), (2, (2, 3)), (None, ())])
def test_drop_drops_whole_parts_and_keeps_the_mean(num_dims: int | None, constant: tuple[int, ...]) -> None:
    layer = Drop(0.25, num_dims, key=5)
    passes = torch.stack([layer(torch.ones(4, 8, 3, 3)) for _ in range(200)])
    assert set(passes.unique().tolist()) == {0.0, torch.tensor(1.0 / 0.75).item()}
    parts = passes.amax([dim + 1 for dim in constant]) if constant else passes
    assert torch.equal(parts, passes.amin([dim + 1 for dim in constant]) if constant else passes)
    share, num = (parts == 0.0).float().mean(), parts.numel()
    assert abs(share - 0.25) < 5 * (0.1875 / num) ** 0.5
    assert layer.num_passes == 200
    assert torch.equal(layer.eval()(torch.ones(2, 2)), torch.ones(2, 2))
    assert layer.num_passes == 200, "evaluation moves nothing"


def test_drop_of_everything_is_zero() -> None:
    assert torch.equal(Drop(1.0, None, key=0)(torch.ones(3, 2)), torch.zeros(3, 2))


def test_layers_are_replaced_in_a_copy_each_with_its_key() -> None:
    shared = nn.Dropout2d(0.2)
    module = nn.Sequential(nn.Dropout(0.5), StochasticDepth(0.1, "batch"), shared, nn.Dropout(0.0), shared)
    replaced = replace_noise(module, seed=0)
    assert [type(layer) for layer in replaced] == [Drop, Drop, Drop, nn.Dropout, Drop]
    assert [layer.num_dims for layer in replaced if isinstance(layer, Drop)] == [None, 0, 2, 2]
    assert len({int(layer.key) for layer in replaced if isinstance(layer, Drop)}) == 4
    assert not any(isinstance(layer, Drop) for layer in module)
    again = [int(layer.key) for layer in replace_noise(module, seed=0) if isinstance(layer, Drop)]
    assert again == [int(layer.key) for layer in replaced if isinstance(layer, Drop)]


def test_a_step_is_a_function_of_its_arguments_and_the_next_one_draws_anew() -> None:
    noisy, images = make_noisy(), make_images()
    before = torch.get_rng_state()
    first, moved = noisy.apply(noisy.params, noisy.buffers, images, True)
    again, _ = noisy.apply(noisy.params, noisy.buffers, images, True)
    second, _ = noisy.apply(noisy.params, moved, images, True)
    other, _ = make_noisy(seed=1).apply(noisy.params, make_noisy(seed=1).buffers, images, True)
    assert torch.equal(torch.get_rng_state(), before), "torch's generator is left alone"
    assert torch.equal(first["end"], again["end"])
    assert not torch.equal(first["end"], second["end"])
    assert not torch.equal(first["end"], other["end"])
    still = [noisy.apply(noisy.params, buffers, images, False)[0]["end"] for buffers in (noisy.buffers, noisy.buffers)]
    assert torch.equal(*still)


def test_probes_see_the_same_noise() -> None:
    noisy, images = make_noisy(), make_images()
    layers = tuple(noisy.convolutions)
    zeros = {layer: torch.zeros(()) for layer in layers}
    features, moved, _ = noisy.probe(layers)(noisy.params, noisy.buffers, images, zeros)
    expected, expected_moved = noisy.apply(noisy.params, noisy.buffers, images, True)
    assert layers == ("stem.0", "residual.0")
    assert torch.equal(features["end"], expected["end"])
    assert all(torch.equal(moved[name], value) for name, value in expected_moved.items())


def test_networks_side_by_side() -> None:
    """Under vmap, as one network per task on a GPU: each has its own buffers."""
    noisy, images = make_noisy(), make_images()
    stack = {name: torch.stack([value, value]) for name, value in noisy.buffers.items()}
    stack["dropout.num_passes"][1] = 9
    stacked, _ = vmap(lambda buffers: noisy.apply(noisy.params, buffers, images, True))(stack)
    for k in range(2):
        alone, _ = noisy.apply(noisy.params, {name: value[k] for name, value in stack.items()}, images, True)
        torch.testing.assert_close(stacked["end"][k], alone["end"])
    assert not torch.equal(stacked["end"][0], stacked["end"][1])


def test_a_compiled_step_is_the_same_and_is_compiled_once() -> None:
    noisy, images = make_noisy(), make_images()

    @torch.no_grad()
    def step(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        features, pull_back, moved = vjp(
            lambda params: noisy.apply(params, buffers, images, True), params, has_aux=True
        )
        (gradient,) = pull_back({"end": 2.0 * features["end"]})
        return {name: value - 0.1 * gradient[name] for name, value in params.items()}, moved

    compiled = torch.compile(step, fullgraph=True, backend="eager")
    eager_state = compiled_state = (noisy.params, noisy.buffers)
    compiled(*compiled_state)
    with torch.compiler.set_stance("fail_on_recompile"):
        for _ in range(3):
            eager_state, compiled_state = step(*eager_state), compiled(*compiled_state)
    for one, other in zip(eager_state, compiled_state, strict=True):
        for name, value in one.items():
            torch.testing.assert_close(other[name], value)
    assert eager_state[1]["dropout.num_passes"] == 3


def test_other_noise_is_refused() -> None:
    class Functional(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return nn.functional.dropout(values, 0.5, self.training)

    for module in (Functional(), nn.RReLU(), nn.AlphaDropout(0.5)):
        with pytest.raises(UserError, match=r"draws random numbers in aten\..*; let it draw by layers|: let it draw"):
            from_module(module, None, torch.empty(2, 4))
