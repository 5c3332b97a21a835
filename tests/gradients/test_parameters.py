"""Gradients at the parameters: against autograd task by task, in whatever form they are kept."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d
from torch.utils._pytree import tree_map

from mtl.gradients import parameters as parameter_gradients
from mtl.losses import binary
from mtl.models.architectures import architecture
from mtl.models.backbones import make_backbone
from mtl.models.convolutions import Geometry
from mtl.models.model import Model, Params, in_bfloat16, make_model
from tests.tiny import make_tiny

Made = tuple[Model, Params, dict[str, Tensor]]
LAYERS = {"stage1.0": (5, 4, 8, 8), "stage2.0": (5, 6, 4, 4)}  # of the tiny network, with what they write


def in_double(made: Made) -> Made:
    model, params, buffers = made
    return model, *tree_map(lambda x: x.double() if x.is_floating_point() else x, (params, buffers))


def random_cotangents(features: dict[str, Tensor], num_pulled: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        tap: torch.randn(num_pulled, *value.shape, generator=generator, dtype=value.dtype)
        for tap, value in features.items()
    }


def random_images(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def by_autograd(made: Made, images_BCHW: Tensor, cotangents: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameter -> [A, ...], one backward pass per task."""
    model, params, buffers = made
    leaves = {name: value.clone().requires_grad_() for name, value in params.trunk.items()}
    features, _ = model.trunk(leaves, buffers, images_BCHW, True)
    rows = []
    for index in range(len(next(iter(cotangents.values())))):
        given = [cotangents[tap][index] for tap in features]
        rows.append(torch.autograd.grad(list(features.values()), list(leaves.values()), given, retain_graph=True))
    return {name: torch.stack([row[i] for row in rows]) for i, name in enumerate(leaves)}


def pull(made: Made, probes: parameter_gradients.Probes, images_BCHW: Tensor, num_pulled: int = 3) -> tuple[Any, ...]:
    """(cotangents, what was pulled back, the features)."""
    model, params, buffers = made
    with torch.no_grad():
        forward = parameter_gradients.make_forward(model, probes)(params.trunk, buffers, images_BCHW)
        cotangents = random_cotangents(forward.features, num_pulled)
        return cotangents, forward.pull_back(cotangents), forward


@pytest.mark.parametrize("probed", [(), ("stage1.0",), ("stage1.0", "stage2.0")])
def test_inner_products_and_weighted_sums_are_exact(probed: tuple[str, ...]) -> None:
    made = in_double(make_tiny())
    images = random_images(5, 3, 8, 8)
    cotangents, pulled, forward = pull(made, {layer: LAYERS[layer] for layer in probed}, images)
    expected = by_autograd(made, images, cotangents)
    assert set(pulled.outer) == {f"{layer}.weight" for layer in probed}
    assert set(pulled.outer) | set(pulled.like) == set(expected)
    rows_AN = torch.cat([value.flatten(1) for value in expected.values()], dim=1)
    torch.testing.assert_close(parameter_gradients.inner_products(pulled), rows_AN @ rows_AN.T)
    weights_A = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    summed = parameter_gradients.weighted_sum(pulled, weights_A)
    assert set(summed) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(summed[name], torch.tensordot(weights_A, value, 1))
    features, buffers = made[0].trunk(made[1].trunk, made[2], images, True)
    for mine, plain in ((forward.features, features), (forward.buffers, buffers)):
        assert all(torch.equal(mine[name], plain[name]) for name in plain)


def test_tasks_pulled_back_at_once_or_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU takes them in turn and a GPU in chunks; here both run on the CPU."""
    made, images = in_double(make_tiny()), random_images(5, 3, 8, 8)
    _, in_turn, _ = pull(made, LAYERS, images)
    monkeypatch.setattr(parameter_gradients, "in_turn", parameter_gradients.at_once)
    monkeypatch.setattr(parameter_gradients, "CHUNK", 2)
    _, at_once, _ = pull(made, LAYERS, images)
    torch.testing.assert_close(in_turn.whole_AN, at_once.whole_AN)
    torch.testing.assert_close(parameter_gradients.inner_products(in_turn), parameter_gradients.inner_products(at_once))


@pytest.mark.parametrize(
    ("backbone", "layer", "writes"),
    [("resnet18", "layer4.0.conv1", (2, 128, 1, 1)), ("vgg16", "features.28", (2, 128, 2, 2))],
)
def test_real_networks_with_the_probes_that_they_choose(backbone: str, layer: str, writes: tuple[int, ...]) -> None:
    trunk = make_backbone(backbone, (list(architecture(backbone).stages)[-1],), "", seed=0, width=0.25)
    made = in_double(make_model(trunk, dict.fromkeys("abcd", binary())))
    model, params, buffers = made
    images = random_images(2, 3, 32, 32)
    params32, buffers32 = tree_map(lambda x: x.float() if x.is_floating_point() else x, (params, buffers))
    probes = parameter_gradients.choose_probes(model, params32, buffers32, (2, 3, 32, 32), num_pulled=4)
    assert probes[layer] == writes and next(iter(model.convolutions)) not in probes
    cotangents, pulled, _ = pull(made, probes, images, num_pulled=4)
    expected = by_autograd(made, images, cotangents)
    rows_AN = torch.cat([value.flatten(1) for value in expected.values()], dim=1)
    torch.testing.assert_close(parameter_gradients.inner_products(pulled), rows_AN @ rows_AN.T)
    summed = parameter_gradients.weighted_sum(pulled, torch.ones(4, dtype=torch.float64))
    for name, value in expected.items():
        torch.testing.assert_close(summed[name], value.sum(0))


def test_in_bfloat16_close_to_float32() -> None:
    """Under autocast whole gradients are rounded to bfloat16 and products are not: close, to the precision of that."""
    model, params, buffers = make_tiny()
    images = random_images(32, 3, 8, 8, dtype=torch.float32)
    probes = {"stage1.0": (32, 4, 8, 8), "stage2.0": (32, 6, 4, 4)}
    for chosen in ({}, probes):
        _, exact, _ = pull((model, params, buffers), chosen, images)
        _, rounded, _ = pull((in_bfloat16(model), params, buffers), chosen, images)
        exact_AA, rounded_AA = (parameter_gradients.inner_products(pulled) for pulled in (exact, rounded))
        scale = exact_AA.diagonal().mean()
        torch.testing.assert_close(rounded_AA / scale, exact_AA / scale, rtol=0.05, atol=0.05)
        assert not torch.equal(rounded_AA, exact_AA)
        for name, value in parameter_gradients.weighted_sum(exact, torch.ones(3)).items():
            other = parameter_gradients.weighted_sum(rounded, torch.ones(3))[name]
            assert other.dtype == torch.float32 and (other - value).norm() < 0.1 * value.norm()


def test_products_are_chosen_where_they_are_less_work() -> None:
    """stage2.0 at 5 images writes 80 positions and has 36 inputs, 6 outputs; at 1 image 16 positions.

    80 x 36 + 3 x 80 x 6 + 6 x 36 = 4,536 against 3 x 6 x 36 = 648; for 1 image and 300 tasks
    16 x 36 + 300 x 16 x 6 + 216 = 29,592 against 64,800.
    """
    model, params, buffers = make_tiny()
    assert parameter_gradients.choose_probes(model, params, buffers, (5, 3, 8, 8), 3) == {}
    chosen = parameter_gradients.choose_probes(model, params, buffers, (1, 3, 8, 8), 300)
    assert chosen == {"stage2.0": (1, 6, 4, 4)}


sizes = st.integers(1, 3)


@given(
    sizes,
    sizes,
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from([(1, 1), (3, 3), (1, 3)]),
)
@settings(max_examples=25, deadline=None)
def test_a_weights_gradient_is_deltas_times_patches(
    num_images: int, stride: int, padding: int, dilation: int, kernel: tuple[int, int]
) -> None:
    geometry = Geometry((stride, stride), (padding, padding), (dilation, dilation))
    weight = random_images(4, 2, *kernel).requires_grad_()
    inputs = random_images(num_images, 2, 7, 6)
    outputs = conv2d(inputs, weight, None, *geometry)
    deltas_ABCHW = random_images(3, *outputs.shape)
    outer = parameter_gradients.make_outer(deltas_ABCHW, inputs, geometry, weight.detach())
    pulled = parameter_gradients.Pulled(torch.zeros(3, 0, dtype=torch.float64), {}, {"weight": outer})
    (expected,) = torch.autograd.grad(outputs, weight, deltas_ABCHW.sum(0))
    torch.testing.assert_close(parameter_gradients.weighted_sum(pulled, torch.ones(3).double())["weight"], expected)
