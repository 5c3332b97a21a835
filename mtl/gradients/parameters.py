"""Exact gradients of the tasks at the trunk's parameters, without keeping one of the trunk's size per task.

The gradient of a convolution's weight is a matrix product: g = delta^T a, of the gradient delta at the layer's output
and the patches a that it read. So inner products and weighted sums of the tasks' gradients need no g_i:

  <g_i, g_j> = <delta_i, (a a^T) delta_j>        sum_i w_i g_i = (sum_i w_i delta_i)^T a

Where images and positions are few (N < F and C: ResNet-18's later stages, which hold nine tenths of its weights), this
is less memory and less work than the gradients themselves; elsewhere these are kept. Both are exact.
Shape legend: A tasks that are pulled back, B images, D features; of a layer N = B x positions, F inputs of a patch,
C outputs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from torch.func import vjp, vmap
from torch.nn.functional import unfold

from mtl.linalg import row_products
from mtl.models.mapping import one_by_one
from mtl.models.model import Model, Params
from mtl.models.probes import Convolution, Tensors

Probes = dict[str, tuple[int, ...]]  # layer -> shape of what it writes
# Named here because torch.compile does not trace a subscript in the annotation of an inner function.
WithAux = tuple[Tensors, tuple[Tensors, Tensors]]
CHUNK = 8  # tasks that are pulled back at once on a GPU


class Outer(NamedTuple):
    """Gradients of a convolution's weight as products delta^T a: deltas_ANC and patches_NF; `shape` of the weight."""

    deltas_ANC: Tensor
    patches_NF: Tensor
    shape: torch.Size


class Pulled(NamedTuple):
    """Gradients of A tasks at the trunk's parameters.

    Attributes:
      whole: parameter -> [A, ...].
      outer: parameter -> its gradients as products, for the others.
    """

    whole: Tensors
    outer: dict[str, Outer]


class Forward(NamedTuple):
    """A forward pass of the trunk in training mode.

    Attributes:
      features: tap -> [B, D].
      buffers: BatchNorm's moved averages.
      pull_back: tap -> [A, B, D] gradients at the features -> at the parameters.
    """

    features: Tensors
    buffers: Tensors
    pull_back: Callable[[Tensors], Pulled]


def choose_probes(
    model: Model, params: Params, buffers: Tensors, images_shape: tuple[int, ...], num_pulled: int
) -> Probes:
    """The layers whose gradients take less work as products; found by one forward pass.

    Args:
      images_shape: (B, 3, H, W) of every batch to come.
      num_pulled: A.
    """
    layers, device = tuple(model.convolutions), next(iter(params.trunk.values())).device
    zeros = {layer: torch.zeros((), device=device) for layer in layers}
    with torch.no_grad():
        _, _, inputs = model.probe(layers)(params.trunk, buffers, torch.zeros(images_shape, device=device), zeros)
    probes: Probes = {}
    for layer, convolution in model.convolutions.items():
        weight = params.trunk[f"{layer}.weight"]
        height, width = output_size(convolution, inputs[layer].shape, weight.shape)
        num_rows, num_outputs, num_inputs = images_shape[0] * height * width, weight.shape[0], weight[0].numel()
        # Multiplications per row of a: a a^T, its products with the deltas, the weighted sum; against every delta^T a.
        as_products = num_rows * num_inputs + num_pulled * num_rows * num_outputs + num_outputs * num_inputs
        if as_products < num_pulled * num_outputs * num_inputs:
            probes[layer] = (images_shape[0], num_outputs, height, width)
    return probes


def output_size(convolution: Convolution, inputs_shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> list[int]:
    """Height and width of what a convolution writes."""
    return [
        (inputs_shape[i + 2] + 2 * convolution.padding[i] - convolution.dilation[i] * (weight_shape[i + 2] - 1) - 1)
        // convolution.stride[i]
        + 1
        for i in (0, 1)
    ]


def make_forward(model: Model, probes: Probes) -> Callable[[Tensors, Tensors, Tensor], Forward]:
    """Makes forward(trunk, buffers, images_BCHW): runs the trunk so that tasks can be pulled back.

    One after the other on the CPU, where that is faster and takes less memory; in chunks under vmap elsewhere.

    Args:
      probes: from `choose_probes`; with none, every gradient is kept whole.
    """
    probed = model.probe(tuple(probes))

    def forward(trunk: Tensors, buffers: Tensors, images_BCHW: Tensor) -> Forward:
        fixed = {f"{layer}.weight": trunk[f"{layer}.weight"] for layer in probes}
        free = {name: value for name, value in trunk.items() if name not in fixed}
        zeros = {layer: images_BCHW.new_zeros(shape) for layer, shape in probes.items()}

        def run(free: Tensors, zeros: Tensors) -> WithAux:
            features, moved, inputs = probed({**free, **fixed}, buffers, images_BCHW, zeros)
            return features, (moved, inputs)

        features, pull_back, (moved, inputs) = vjp(run, free, zeros, has_aux=True)  # type: ignore[misc]
        on_cpu = images_BCHW.device.type == "cpu"
        pull_all: Callable[..., Any] = one_by_one(pull_back) if on_cpu else vmap(pull_back, chunk_size=CHUNK)

        def pull(cotangents: Tensors) -> Pulled:
            whole, deltas = pull_all(cotangents)
            outer = {
                f"{layer}.weight": Outer(
                    rearrange(delta_ABCHW, "A B C H W -> A (B H W) C"),
                    patches(inputs[layer], model.convolutions[layer], fixed[f"{layer}.weight"]),
                    fixed[f"{layer}.weight"].shape,
                )
                for layer, delta_ABCHW in deltas.items()
            }
            return Pulled(whole, outer)

        return Forward(features, moved, pull)

    return forward


def patches(inputs_BCHW: Tensor, convolution: Convolution, weight: Tensor) -> Tensor:
    """a_NF: what a convolution multiplies its weight with, in the weight's type."""
    columns_BFP = unfold(
        inputs_BCHW.to(weight.dtype),
        weight.shape[2:],
        convolution.dilation,
        convolution.padding,
        convolution.stride,
    )
    return rearrange(columns_BFP, "B F P -> (B P) F")


def inner_products(pulled: Pulled) -> Tensor:
    """<g_i, g_j> over all of the trunk's parameters, layer by layer, [A, A]."""
    layers = [row_products(value.flatten(1), value.flatten(1)) for value in pulled.whole.values()]
    for deltas_ANC, patches_NF, _ in pulled.outer.values():
        weighted_ANC = (patches_NF @ patches_NF.T) @ deltas_ANC
        layers.append(row_products(deltas_ANC.flatten(1), weighted_ANC.flatten(1)))
    total_AA = torch.stack(layers).sum(0)
    return (total_AA + total_AA.T) / 2.0


def weighted_sum(pulled: Pulled, weights_A: Tensor) -> Tensors:
    """sum_i w_i g_i: parameter -> its shape."""
    whole = {name: torch.tensordot(weights_A, value, 1) for name, value in pulled.whole.items()}
    outer = {
        name: (torch.tensordot(weights_A, deltas_ANC, 1).T @ patches_NF).view(shape)
        for name, (deltas_ANC, patches_NF, shape) in pulled.outer.items()
    }
    return whole | outer
