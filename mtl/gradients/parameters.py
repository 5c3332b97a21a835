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
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from torch.func import vjp, vmap
from torch.nn.functional import pad

from mtl.gradients.rows import from_row, num_coordinates, to_rows, write_row
from mtl.linalg import laid_out, row_products
from mtl.models.convolutions import Geometry, Window, read_patches, windows
from mtl.models.model import Model, Params
from mtl.models.probes import Tensors

Probes = dict[str, tuple[int, ...]]  # layer -> shape of what it writes
# Named here because torch.compile does not trace a subscript in the annotation of an inner function.
WithAux = tuple[Tensors, tuple[Tensors, Tensors]]
PullBack = Callable[..., tuple[Tensors, Tensors]]
CHUNK = 8  # tasks that are pulled back at once on a GPU


class Outer(NamedTuple):
    """Gradients of a convolution's weight as products delta^T a.

    Attributes:
      deltas_ANC: the tasks' gradients at what the layer wrote.
      patches_NF: what it read; of the kernel's taps those that ever see the image.
      rows, columns: which taps these are.
      weight: for its shape and layout.
    """

    deltas_ANC: Tensor
    patches_NF: Tensor
    rows: Window
    columns: Window
    weight: Tensor


class Pulled(NamedTuple):
    """Gradients of A tasks at the trunk's parameters.

    Attributes:
      whole_AN: those that are kept whole, see `mtl.gradients.rows`.
      like: parameter -> a tensor of its shape, of these.
      outer: parameter -> its gradients as products, for the others.
    """

    whole_AN: Tensor
    like: Tensors
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

    Example:
      >>> import mtl
      >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.Conv2d(64, 64, 3))
      >>> trunk = mtl.from_module(net, {"end": "1"}, torch.empty(2, 3, 6, 6))
      >>> model, params, buffers = mtl.make_model(trunk, {"smile": mtl.binary()})
      >>> choose_probes(model, params, buffers, (2, 3, 6, 6), num_pulled=8)  # the second layer alone
      {'1': (2, 64, 2, 2)}
    """
    layers, device = tuple(model.convolutions), next(iter(params.trunk.values())).device
    zeros = {layer: torch.zeros((), device=device) for layer in layers}
    with torch.no_grad():
        _, _, inputs = model.probe(layers)(params.trunk, buffers, torch.zeros(images_shape, device=device), zeros)
    probes: Probes = {}
    for layer, geometry in model.convolutions.items():
        weight = params.trunk[f"{layer}.weight"]
        rows, columns = windows(inputs[layer].shape[2:], weight.shape[2:], geometry)
        num_outputs, num_inputs = weight.shape[0], rows.num_taps * columns.num_taps * weight.shape[1]
        num_rows = images_shape[0] * rows.size * columns.size
        # Multiplications per row of a: a a^T, its products with the deltas, the weighted sum; against every delta^T a.
        as_products = num_rows * num_inputs + num_pulled * num_rows * num_outputs + num_outputs * num_inputs
        if as_products < num_pulled * weight.numel():
            probes[layer] = (images_shape[0], num_outputs, rows.size, columns.size)
    return probes


def make_forward(model: Model, probes: Probes) -> Callable[[Tensors, Tensors, Tensor], Forward]:
    """Makes forward(trunk, buffers, images_BCHW): runs the trunk so that tasks can be pulled back.

    One after the other on the CPU, where that is faster and takes less memory; in chunks under vmap elsewhere.

    Args:
      probes: from `choose_probes`; with none, every gradient is kept whole.

    Example:
      >>> import mtl
      >>> trunk = mtl.from_module(torch.nn.Linear(2, 1, bias=False), None, torch.empty(2, 2))
      >>> model, params, buffers = mtl.make_model(trunk, {"smile": mtl.binary()})
      >>> forward = make_forward(model, {})(params.trunk, buffers, torch.tensor([[3.0, 4.0]]))
      >>> inner_products(forward.pull_back({"output": torch.ones(1, 1, 1)}))  # 3^2 + 4^2
      tensor([[25.]])
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
        pull_all = in_turn if images_BCHW.device.type == "cpu" else at_once

        def pull(cotangents: Tensors) -> Pulled:
            whole_AN, deltas = pull_all(pull_back, cotangents, free)
            outer = {
                f"{layer}.weight": make_outer(
                    delta_ABCHW, inputs[layer], model.convolutions[layer], fixed[f"{layer}.weight"]
                )
                for layer, delta_ABCHW in deltas.items()
            }
            return Pulled(whole_AN, free, outer)

        return Forward(features, moved, pull)

    return forward


def in_turn(pull_back: PullBack, cotangents: Tensors, free: Tensors) -> tuple[Tensor, Tensors]:
    """(gradients [A, N] at `free`, layer -> those at the probes), one task after the other.

    Example:
      >>> _, pull_back = vjp(lambda free, zeros: {"end": 2.0 * free["weight"]}, {"weight": torch.zeros(2)}, {})
      >>> in_turn(pull_back, {"end": torch.tensor([[1.0, 0.0], [3.0, 4.0]])}, {"weight": torch.zeros(2)})[0]
      tensor([[2., 0.],
              [6., 8.]])
    """
    first = next(iter(free.values()))
    tasks = [
        dict(zip(cotangents, each, strict=True))
        for each in zip(*(value.unbind() for value in cotangents.values()), strict=True)
    ]
    whole_AN = first.new_empty(len(tasks), num_coordinates(free))
    all_deltas = []
    for row_N, task in zip(whole_AN.unbind(), tasks, strict=True):
        whole, deltas = pull_back(task)
        write_row(row_N, whole)
        all_deltas.append(deltas)
    return whole_AN, {layer: torch.stack([deltas[layer] for deltas in all_deltas]) for layer in all_deltas[0]}


def at_once(pull_back: PullBack, cotangents: Tensors, free: Tensors) -> tuple[Tensor, Tensors]:
    """The same in chunks under vmap.

    Example:
      >>> _, pull_back = vjp(lambda free, zeros: {"end": 2.0 * free["weight"]}, {"weight": torch.zeros(2)}, {})
      >>> at_once(pull_back, {"end": torch.tensor([[1.0, 0.0], [3.0, 4.0]])}, {"weight": torch.zeros(2)})[0]
      tensor([[2., 0.],
              [6., 8.]])
    """
    whole, deltas = vmap(pull_back, chunk_size=CHUNK)(cotangents)
    return to_rows(whole), deltas


def make_outer(delta_ABCHW: Tensor, inputs_BCHW: Tensor, geometry: Geometry, weight: Tensor) -> Outer:
    """A layer's gradients as products, from the tasks' gradients at what it wrote and what it read.

    Example:
      >>> delta_ABCHW, weight = torch.ones(1, 1, 1, 1, 2), torch.zeros(1, 1, 1, 1)
      >>> geometry = Geometry(stride=(1, 1), padding=(0, 0), dilation=(1, 1))
      >>> outer = make_outer(delta_ABCHW, torch.tensor([[[[3.0, 4.0]]]]), geometry, weight)
      >>> outer.patches_NF.tolist(), outer.deltas_ANC.tolist()
      ([[3.0], [4.0]], [[[1.0], [1.0]]])
    """
    rows, columns = windows(inputs_BCHW.shape[2:], weight.shape[2:], geometry)
    patches_BHWF = read_patches(inputs_BCHW.to(weight.dtype), rows, columns, geometry)
    deltas_ANC = rearrange(delta_ABCHW, "A B C H W -> A (B H W) C")
    return Outer(deltas_ANC, rearrange(patches_BHWF, "B H W F -> (B H W) F"), rows, columns, weight)


def inner_products(pulled: Pulled) -> Tensor:
    """<g_i, g_j> over all of the trunk's parameters, [A, A].

    Example:
      >>> inner_products(Pulled(torch.tensor([[1.0, 2.0], [3.0, -1.0]]), {"weight": torch.zeros(2)}, {}))
      tensor([[ 5.,  1.],
              [ 1., 10.]])
    """
    total_AA = row_products(pulled.whole_AN, pulled.whole_AN)
    for outer in pulled.outer.values():
        weighted_ANC = (outer.patches_NF @ outer.patches_NF.T) @ outer.deltas_ANC
        total_AA = total_AA + row_products(outer.deltas_ANC.flatten(1), weighted_ANC.flatten(1))
    return (total_AA + total_AA.T) / 2.0


def weighted_sum(pulled: Pulled, weights_A: Tensor) -> Tensors:
    """sum_i w_i g_i: parameter -> its shape.

    Example:
      >>> pulled = Pulled(torch.tensor([[1.0, 2.0], [3.0, -1.0]]), {"weight": torch.zeros(2)}, {})
      >>> weighted_sum(pulled, torch.tensor([0.5, 1.0]))
      {'weight': tensor([3.5000, 0.0000])}
    """
    whole = from_row(weights_A @ pulled.whole_AN, pulled.like)
    return whole | {name: _weighted_product(outer, weights_A) for name, outer in pulled.outer.items()}


def _weighted_product(outer: Outer, weights_A: Tensor) -> Tensor:
    """(sum_i w_i delta_i)^T a, with zeros at the taps that see padding alone: [O, C, H, W]."""
    num_outputs, num_channels, height, width = outer.weight.shape
    live_OF = torch.tensordot(weights_A, outer.deltas_ANC, 1).T @ outer.patches_NF
    live_OHWC = live_OF.view(num_outputs, outer.rows.num_taps, outer.columns.num_taps, num_channels)
    margins = [
        margin
        for side, num_taps in ((outer.columns, width), (outer.rows, height))
        for margin in (side.first, num_taps - side.first - side.num_taps)
    ]
    return laid_out(pad(live_OHWC, (0, 0, *margins)).permute(0, 3, 1, 2), outer.weight)
