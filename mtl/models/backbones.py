"""Trunks: torchvision's classification networks, and any other module, as stateless functions with taps.

The parameters have torchvision's names, so its checkpoints load.

A tap is the end of a stage, averaged over the image plane: [B, C, H, W] -> [B, C] (see `mtl.models.stages.pool` for
Swin's and ViT's). What follows the last stage is left out: VGG-16's three fully connected layers expect 224 x 224
pixels, and hold 8 times as many weights as all of its convolutions.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import create_feature_extractor

from mtl.errors import UserError
from mtl.models.architectures import Architecture, architecture, trunk_parts
from mtl.models.filling import fill
from mtl.models.parts import together
from mtl.models.stages import IMAGE_SIZE
from mtl.models.stateless import OUTPUT, Backbone, Spread, make_stateless
from mtl.models.weights import Weights, build_network, build_on_meta, first_line, read_weights
from mtl.models.width import slim


def make_backbone(
    name: str,
    taps: tuple[str, ...],
    weights: str | Weights,
    seed: int,
    width: float = 1.0,
    image_size: int = 64,
    spread: Spread = lambda module: module,
    freeze: tuple[str, ...] = (),
    filled: bool = True,
    products: bool = True,
) -> Backbone:
    """Builds a trunk that ends at its deepest tap.

    Args:
      name: see `architecture`.
      taps: the stages that tasks read, each once.
      weights: "" for random ones; or what `mtl.models.weights.read_weights` reads, or has read.
      seed: of the random weights, and of the noise in training.
      width: what every number of channels is multiplied with, see `mtl.models.width`.
      image_size: height and width of the images, pixels.
      spread: makes the module run on several processes, see `mtl.models.spread`.
      freeze: the parts that are not trained, see `mtl.models.parts`; "trunk" for all.
      filled: False leaves parameters and buffers without numbers, on the `meta` device; weights are not read then.
      products: small maps are convolved as matrix products, see `mtl.models.convolutions`.

    Raises:
      UserError: for an unknown backbone, tap or part, for weights that cannot be had or do not fit, for a width or a
        size of images that the network cannot have.

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
    is_named = filled and weights and isinstance(weights, str)
    given = read_weights(arch.build, name, str(weights), width) if is_named else weights
    frozen = together("freeze", freeze, trunk_parts(arch, taps)) if freeze else ()
    nodes = {tap: arch.stages[tap].node for tap in taps}
    layouts = {tap: arch.stages[tap].layout for tap in taps}
    images_BCHW = torch.empty(2, 3, image_size, image_size, device="meta")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if width == 1.0:
                trunk: nn.Module = _cut(build_network(arch.build, _transforms_input(given), filled), nodes)
            else:
                trunk = _slim(arch, name, nodes, width, filled)
        backbone = make_stateless(trunk, taps, layouts, images_BCHW, seed, spread, frozen, products)
        return fill(backbone, given, arch.build, name, width) if isinstance(given, Weights) else backbone
    except UserError:
        raise
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UserError(
            f"image_size is {image_size}, and {name} cannot take such images ({first_line(error)}); choose another",
            "image_size",
        ) from error


def _transforms_input(weights: str | Weights) -> bool:
    return weights.transforms_input if isinstance(weights, Weights) else bool(weights)


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
    return make_stateless(trunk, (OUTPUT,) if taps is None else tuple(taps), layouts or {}, inputs.to("meta"), seed)


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
