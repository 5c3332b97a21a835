"""Convolutions as matrix products, against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.functional import conv2d

from mtl.models.backbones import from_module
from mtl.models.convolutions import (
    MOST_POSITIONS,
    Convolution,
    as_product,
    geometry_of,
    replace_convolutions,
    window,
    windows,
)

geometries = st.fixed_dictionaries(
    {
        "kernel_size": st.tuples(st.integers(1, 5), st.integers(1, 5)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.tuples(st.integers(0, 4), st.integers(0, 4)),
        "dilation": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "bias": st.booleans(),
    }
)


def product(layer: Convolution, images_BCHW: Tensor) -> Tensor:
    """The layer as a matrix product, however large its map is."""
    geometry = geometry_of(layer)
    sides = windows(images_BCHW.shape[2:], layer.kernel_size, geometry)
    return as_product(images_BCHW, layer.weight, layer.bias, *sides, geometry)


@settings(max_examples=150, deadline=None)
@given(geometries, st.tuples(st.integers(1, 6), st.integers(1, 6)), st.booleans())
def test_same_map_and_gradients_whatever_the_geometry(geometry: dict, size: tuple[int, int], last: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = Convolution(2, 3, **geometry).double()
    images = torch.randn(2, 2, *size, dtype=torch.float64, generator=generator, requires_grad=True)
    if last:
        layer = layer.to(memory_format=torch.channels_last)
    try:
        wanted = nn.Conv2d.forward(layer, images)
    except RuntimeError:  # the kernel is larger than the padded image
        return
    found = product(layer, images)
    torch.testing.assert_close(found, wanted)
    cotangent = torch.randn(wanted.shape, dtype=torch.float64, generator=generator)
    inputs = (images, *layer.parameters())
    for mine, theirs in zip(*(torch.autograd.grad(out, inputs, cotangent) for out in (found, wanted)), strict=True):
        torch.testing.assert_close(mine, theirs)


@given(*(st.integers(low, high) for low, high in ((1, 8), (1, 7), (1, 3), (0, 4), (1, 3))))
def test_only_taps_that_see_padding_alone_are_left_out(
    size: int, num_taps: int, stride: int, padding: int, dilation: int
) -> None:
    if size + 2 * padding < dilation * (num_taps - 1) + 1:
        return
    gradient = torch.autograd.functional.jacobian(
        lambda weight: conv2d(torch.ones(1, 1, size, 1), weight, None, (stride, 1), (padding, 0), (dilation, 1)).sum(),
        torch.zeros(1, 1, num_taps, 1),
    ).flatten()
    live = gradient.nonzero().flatten().tolist()
    found = window(size, num_taps, stride, padding, dilation)
    assert (
        (live[0], live[-1]) == (found.first, found.first + found.num_taps - 1) if live else found.num_taps == num_taps
    )


@pytest.mark.parametrize(("size", "is_product"), [(1, True), (2, True), (3, False)])
def test_small_maps_are_products(size: int, is_product: bool) -> None:
    assert (size * size <= MOST_POSITIONS) is is_product
    (layer,) = replace_convolutions(nn.Sequential(nn.Conv2d(2, 2, 3, padding=1)))
    images = torch.randn(2, 2, size, size)
    with torch.profiler.profile() as profile:
        layer(images)
    called = {event.key for event in profile.key_averages()}
    assert ("aten::conv2d" not in called) is is_product


def test_others_are_left_as_they_are() -> None:
    others = [nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding="same"), nn.Conv1d(4, 4, 3)]
    others.append(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"))
    assert [type(layer) for layer in replace_convolutions(nn.Sequential(*others))] == [type(layer) for layer in others]


def test_under_vmap_and_in_a_whole_graph() -> None:
    layer = Convolution(2, 3, 3, padding=1)
    params = {name: torch.stack([value.detach(), 2.0 * value.detach()]) for name, value in layer.named_parameters()}
    images = torch.randn(4, 2, 2, 2)

    def both(params: dict[str, Tensor]) -> Tensor:
        return vmap(lambda one: functional_call(layer, one, (images,)))(params)

    def gradients(params: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs, pull_back = vjp(both, params)
        return pull_back(torch.ones_like(outputs))[0]

    outputs = both(params)
    torch.testing.assert_close(outputs[1], 2.0 * outputs[0])
    compiled = torch.compile(gradients, fullgraph=True, backend="aot_eager")(params)
    for name, value in gradients(params).items():
        torch.testing.assert_close(compiled[name], value)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_gradient_of_a_kernel_lies_as_the_kernel_lies(size: int) -> None:
    """Or the fused optimizer would have to copy it: 9 MB for each of ResNet-18's last convolutions."""
    net = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, padding=1))
    trunk = from_module(net.to(memory_format=torch.channels_last), None, torch.empty(2, 4, size, size))
    images = torch.randn(2, 4, size, size)
    features, pull_back = vjp(lambda params: trunk.apply(params, {}, images, True)[0], trunk.params)
    (gradients,) = pull_back({tap: torch.ones_like(value) for tap, value in features.items()})
    for name, value in trunk.params.items():
        assert gradients[name].stride() == value.stride(), name
