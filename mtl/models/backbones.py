"""Trunks: torchvision's classification networks, and any other module, as stateless functions with taps.

The modules are kept for their weights' sake: the parameters have torchvision's names, so its checkpoints load. What is
left of a module is its graph; it lives on the `meta` device and holds no numbers.

A tap is the end of a stage, averaged over the image plane: [B, C, H, W] -> [B, C] (see `mtl.models.stages.pool` for
Swin's and ViT's). What follows the last stage is left out: VGG-16's three fully connected layers expect 224 x 224
pixels, and hold 8 times as many weights as all of its convolutions.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torchvision.models.feature_extraction import create_feature_extractor

from mtl.errors import UserError
from mtl.models.architectures import Architecture, architecture
from mtl.models.convolutions import Geometry, replace_convolutions
from mtl.models.noise import Drawn, Undrawn, replace_noise
from mtl.models.probes import Tensors, find_convolutions, probe
from mtl.models.stages import IMAGE_SIZE, guess_layout, pool, tap_depths
from mtl.models.weights import build_on_meta, first_line, load
from mtl.models.width import slim

ProbedTrunk = Callable[[Tensors, Tensors, Tensor, Tensors], tuple[Tensors, Tensors, Tensors]]
Spread = Callable[[nn.Module], nn.Module]
OUTPUT = "output"  # the tap at a module's end


class Backbone(NamedTuple):
    """A trunk as values and a pure function.

    Attributes:
      params: name -> tensor, the module's names.
      buffers: name -> tensor: BatchNorm's running statistics, and what the noise of dropout and stochastic depth is
        made of (see `mtl.models.noise`); empty for VGG-16.
      widths: tap -> number of channels.
      depths: tap -> layers with weights on the longest path from the input up to it.
      apply: (params, buffers, images_BCHW, train) -> (tap -> features [B, C], new buffers). With `train`, BatchNorm
        uses the batch's statistics, dropout drops, and the new buffers hold the moved averages and the next step's
        noise; nothing is changed in place.
      convolutions: layer -> how it convolves; those that can be probed.
      probe: layers -> (params, buffers, images_BCHW, layer -> zeros) -> (tap -> features [B, C], new buffers, layer ->
        what it read), in training mode. See `mtl.models.probes`.
    """

    params: Tensors
    buffers: Tensors
    widths: dict[str, int]
    depths: dict[str, int]
    apply: Callable[[Tensors, Tensors, Tensor, bool], tuple[Tensors, Tensors]]
    convolutions: dict[str, Geometry]
    probe: Callable[[tuple[str, ...]], ProbedTrunk]


def make_backbone(
    name: str,
    taps: tuple[str, ...],
    weights: str,
    seed: int,
    width: float = 1.0,
    image_size: int = 64,
    spread: Spread = lambda module: module,
    filled: bool = True,
) -> Backbone:
    """Builds a trunk that ends at its deepest tap.

    Args:
      name: see `architecture`.
      taps: the stages that tasks read, each once.
      weights: "" for random ones, the name of torchvision weights such as "IMAGENET1K_V1", or a file with a state dict.
      seed: of the random weights, and of the noise in training.
      width: what every number of channels is multiplied with, see `mtl.models.width`.
      image_size: height and width of the images, pixels.
      spread: makes the module run on several processes, see `mtl.models.spread`.
      filled: False leaves parameters and buffers without numbers, on the `meta` device; weights are not read then.

    Raises:
      UserError: for an unknown backbone or tap, for weights that cannot be had or do not fit, for a width or a size of
        images that the network cannot have.

    Example:
      >>> backbone = make_backbone("vgg11", ("block1",), weights="", seed=0, width=0.25)
      >>> backbone.widths, backbone.depths
      ({'block1': 16}, {'block1': 1})
    """
    arch = architecture(name, image_size)
    unknown = [tap for tap in taps if tap not in arch.stages]
    if unknown:
        raise UserError(f"taps names {unknown[0]!r}; {name} can be tapped at {', '.join(arch.stages)}", "taps")
    if not width > 0.0:
        raise UserError(f"width is {width}; it must be above 0", "width")
    if weights and width != 1.0:
        raise UserError(f"weights is {weights!r}, which fits no slim network: leave width at 1", "weights")
    nodes = {tap: arch.stages[tap].node for tap in taps}
    layouts = {tap: arch.stages[tap].layout for tap in taps}
    images_BCHW = torch.empty(2, 3, image_size, image_size, device="meta")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if width == 1.0:
                trunk: nn.Module = _cut(load(arch.build, name, weights, filled), nodes)
            else:
                trunk = _slim(arch, name, nodes, width, filled)
        return _make_stateless(trunk, taps, layouts, images_BCHW, seed, spread)
    except UserError:
        raise
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UserError(
            f"image_size is {image_size}, and {name} cannot take such images ({first_line(error)}); choose another",
            "image_size",
        ) from error


def from_module(
    module: nn.Module,
    taps: Mapping[str, str] | None,
    inputs: Tensor,
    layouts: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Backbone:
    """Makes a trunk of any module with its present weights; the module stays as it is.

    Dropout and stochastic depth get their noise from the trunk's buffers.

    Args:
      module: reads one tensor.
      taps: tap -> name of the node where the trunk is tapped, as `torchvision.models.feature_extraction` has it; what
        lies behind them is left out, and torch.fx must be able to trace the module. None: the module is left whole,
        and its output is the one tap, "output". Then its convolutions cannot be probed.
      inputs: an example; only its shape and type matter, it may be on the `meta` device.
      layouts: tap -> layout of what is read there, see `mtl.models.stages.pool`; where it is not given, "BC" for a
        tensor of two dimensions and "BCHW" for one of four.
      seed: of the noise.

    Raises:
      UserError: if the module draws random numbers otherwise than by layers for dropout or stochastic depth, and for a
        tap without a layout.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    >>> backbone = from_module(net, None, torch.empty(2, 4))
    >>> backbone.widths
    {'output': 3}
    """
    trunk = module if taps is None else _cut(module, taps)
    return _make_stateless(trunk, (OUTPUT,) if taps is None else tuple(taps), layouts or {}, inputs.to("meta"), seed)


def _cut(module: nn.Module, taps: Mapping[str, str]) -> fx.GraphModule:
    """The part of a module that leads to its taps (tap -> node); it returns tap -> what that node writes."""
    nodes = {node: tap for tap, node in taps.items()}
    return create_feature_extractor(module, nodes, suppress_diff_warning=True)  # auxiliary heads are in training only


def _slim(arch: Architecture, name: str, nodes: Mapping[str, str], width: float, filled: bool) -> nn.Module:
    try:
        trunk = slim(_cut(build_on_meta(arch.build), nodes), width, filled)
        copy.deepcopy(trunk).to("meta")(torch.empty(2, 3, IMAGE_SIZE, IMAGE_SIZE, device="meta"))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"width is {width}, and {name} cannot be scaled so ({first_line(error)}): leave it at 1", "width"
        ) from error
    return trunk


def _make_stateless(
    module: nn.Module,
    taps: tuple[str, ...],
    layouts: Mapping[str, str],
    inputs: Tensor,
    seed: int,
    spread: Spread = lambda module: module,
) -> Backbone:
    module = replace_convolutions(replace_noise(module, seed))
    params = {name: value.detach() for name, value in module.named_parameters()}
    buffers = dict(module.named_buffers())
    module = module.to("meta").train()
    try:
        with torch.no_grad(), Undrawn():
            maps = _by_tap(module(inputs))
    except Drawn as error:
        raise UserError(
            f"the network draws random numbers in {error}, and then a step is no pure function: "
            "let it draw by layers nn.Dropout or torchvision.ops.StochasticDepth"
        ) from error
    layouts = {tap: layouts.get(tap) or guess_layout(tap, maps[tap]) for tap in taps}
    widths = {tap: values.shape[1] for tap, values in _features(maps, layouts).items()}
    module = spread(module)
    apply = _stateless(module, copy.deepcopy(module).eval(), layouts)
    if isinstance(module, fx.GraphModule):
        probed = partial(_probe, module, layouts)
        return Backbone(params, buffers, widths, tap_depths(module), apply, find_convolutions(module), probed)
    # Without a graph it is not known what lies on the way: every weight counts.
    depths = {OUTPUT: sum(value.dim() > 1 for value in params.values())}
    return Backbone(params, buffers, widths, depths, apply, {}, partial(_probe_nothing, apply))


def _stateless(
    train_module: nn.Module, eval_module: nn.Module, layouts: Mapping[str, str]
) -> Callable[..., tuple[Tensors, Tensors]]:
    """Two modules, since toggling one between train() and eval() makes torch.compile start again."""

    def apply(params: Tensors, buffers: Tensors, images_BCHW: Tensor, train: bool) -> tuple[Tensors, Tensors]:
        module = train_module if train else eval_module
        # functional_call moves BatchNorm's averages in place: give it copies, and return them.
        moved = {name: value.clone() for name, value in buffers.items()} if train else buffers
        maps = _by_tap(functional_call(module, (params, moved), (images_BCHW,), strict=True))
        return _features(maps, layouts), moved

    return apply


def _probe(module: fx.GraphModule, layouts: Mapping[str, str], layers: tuple[str, ...]) -> ProbedTrunk:
    probed = probe(module, layers)

    def apply(
        params: Tensors, buffers: Tensors, images_BCHW: Tensor, probes: Tensors
    ) -> tuple[Tensors, Tensors, Tensors]:
        maps, moved, inputs = probed(params, buffers, images_BCHW, probes)
        return _features(maps, layouts), moved, inputs

    return apply


def _probe_nothing(trunk: Callable[..., tuple[Tensors, Tensors]], layers: tuple[str, ...]) -> ProbedTrunk:
    assert not layers, "a module without a graph has no layers to probe"

    def apply(
        params: Tensors, buffers: Tensors, images_BCHW: Tensor, probes: Tensors
    ) -> tuple[Tensors, Tensors, Tensors]:
        return *trunk(params, buffers, images_BCHW, True), {}

    return apply


def _by_tap(values: Tensor | Tensors) -> Tensors:
    return values if isinstance(values, dict) else {OUTPUT: values}


def _features(maps: Tensors, layouts: Mapping[str, str]) -> Tensors:
    return {tap: pool(maps[tap], layout) for tap, layout in layouts.items()}
