"""Trunks: torchvision's ResNet-18 and VGG-16 as stateless functions with taps.

torchvision's modules are kept for their weights' sake: the parameters have its names, so its checkpoints load. What
is left of the module is its graph; it lives on the `meta` device and holds no numbers.

A tap is the end of a stage, averaged over the image plane: [B, C, H, W] -> [B, C]. VGG-16's three fully connected
layers are left out: they expect 224 x 224 pixels, and hold 8 times as many weights as all of its convolutions.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, fx, nn
from torch.func import functional_call
from torchvision.models.feature_extraction import create_feature_extractor

from mtl.errors import UserError
from mtl.models.probes import Convolution, Tensors, find_convolutions, probe

ProbedTrunk = Callable[[Tensors, Tensors, Tensor, Tensors], tuple[Tensors, Tensors, Tensors]]


class Stage(NamedTuple):
    """A place where a task may tap the trunk: the node's name, and the layers with weights from the image up to it."""

    node: str
    depth: int


class Architecture(NamedTuple):
    """What is known of a trunk before it is built."""

    build: Callable[..., nn.Module]
    stages: Mapping[str, Stage]  # from the image up


ARCHITECTURES: dict[str, Architecture] = {
    "resnet18": Architecture(
        torchvision.models.resnet18,
        {f"layer{i}": Stage(f"layer{i}", 1 + 4 * i) for i in (1, 2, 3, 4)},
    ),
    "vgg16": Architecture(
        torchvision.models.vgg16,
        {
            "block1": Stage("features.4", 2),
            "block2": Stage("features.9", 4),
            "block3": Stage("features.16", 7),
            "block4": Stage("features.23", 10),
            "block5": Stage("features.30", 13),
        },
    ),
}


class Backbone(NamedTuple):
    """A trunk as values and a pure function.

    Attributes:
      params: name -> tensor, torchvision's names.
      buffers: name -> tensor: BatchNorm's running statistics (empty for VGG-16).
      widths: tap -> number of channels.
      depths: tap -> layers with weights from the image up to it.
      apply: (params, buffers, images_BCHW, train) -> (tap -> features [B, C], new buffers). With `train`, BatchNorm
        uses the batch's statistics and the new buffers hold the moved averages; nothing is changed in place.
      convolutions: layer -> how it convolves; those that can be probed.
      probe: layers -> (params, buffers, images_BCHW, layer -> zeros) -> (tap -> features [B, C], new buffers, layer ->
        what it read), in training mode. See `mtl.models.probes`.
    """

    params: Tensors
    buffers: Tensors
    widths: dict[str, int]
    depths: dict[str, int]
    apply: Callable[[Tensors, Tensors, Tensor, bool], tuple[Tensors, Tensors]]
    convolutions: dict[str, Convolution]
    probe: Callable[[tuple[str, ...]], ProbedTrunk]


def architecture(name: str) -> Architecture:
    """Looks an architecture up by its name."""
    if name not in ARCHITECTURES:
        raise UserError(f"model.backbone is {name!r}; choose one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def make_backbone(name: str, taps: tuple[str, ...], weights: str, seed: int) -> Backbone:
    """Builds a trunk that ends at its deepest tap.

    Args:
      name: a key of `ARCHITECTURES`.
      taps: the stages that tasks read, each once.
      weights: "" for random ones, the name of torchvision weights such as "IMAGENET1K_V1", or a file with a state dict.
      seed: of the random weights.

    Raises:
      UserError: for an unknown backbone or tap, and for weights that cannot be had or do not fit.
    """
    arch = architecture(name)
    unknown = [tap for tap in taps if tap not in arch.stages]
    if unknown:
        raise UserError(f"model.taps names {unknown[0]!r}; {name} can be tapped at {', '.join(arch.stages)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _load(arch, name, weights)
    module = create_feature_extractor(module, {arch.stages[tap].node: tap for tap in taps})
    params = {name: value.detach().clone() for name, value in module.named_parameters()}
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    module = module.to("meta").train()
    apply = _stateless(module, copy.deepcopy(module).eval(), taps)
    shapes = apply(
        {name: value.to("meta") for name, value in params.items()},
        {name: value.to("meta") for name, value in buffers.items()},
        torch.empty(1, 3, 64, 64, device="meta"),
        False,
    )[0]
    widths = {tap: features.shape[1] for tap, features in shapes.items()}
    depths = {tap: arch.stages[tap].depth for tap in taps}
    return Backbone(params, buffers, widths, depths, apply, find_convolutions(module), partial(_probe, module, taps))


def _stateless(
    train_module: nn.Module, eval_module: nn.Module, taps: tuple[str, ...]
) -> Callable[..., tuple[Tensors, Tensors]]:
    """Two modules, since toggling one between train() and eval() makes torch.compile start again."""

    def apply(params: Tensors, buffers: Tensors, images_BCHW: Tensor, train: bool) -> tuple[Tensors, Tensors]:
        module = train_module if train else eval_module
        # functional_call moves BatchNorm's averages in place: give it copies, and return them.
        moved = {name: value.clone() for name, value in buffers.items()} if train else buffers
        maps = functional_call(module, (params, moved), (images_BCHW,), strict=True)
        return _features(maps, taps), moved

    return apply


def _probe(module: fx.GraphModule, taps: tuple[str, ...], layers: tuple[str, ...]) -> ProbedTrunk:
    probed = probe(module, layers)

    def apply(
        params: Tensors, buffers: Tensors, images_BCHW: Tensor, probes: Tensors
    ) -> tuple[Tensors, Tensors, Tensors]:
        maps, moved, inputs = probed(params, buffers, images_BCHW, probes)
        return _features(maps, taps), moved, inputs

    return apply


def _features(maps: Tensors, taps: tuple[str, ...]) -> Tensors:
    return {tap: maps[tap].mean(dim=(2, 3)) for tap in taps}


def _load(arch: Architecture, name: str, weights: str) -> nn.Module:
    if not weights:
        return arch.build(weights=None)
    if not Path(weights).is_file():
        return _load_torchvision(arch, name, weights)
    module = arch.build(weights=None)
    try:
        values = torch.load(weights, map_location="cpu", weights_only=True)
        missing, unexpected = module.load_state_dict(values, strict=False)
    except Exception as error:  # torch.load and load_state_dict raise a dozen types for a bad file
        raise UserError(
            f"model.weights: {weights} holds no state dict that fits {name} ({_first_line(error)})"
        ) from error
    lost = [key for key in [*missing, *unexpected] if not key.startswith(("fc.", "classifier."))]
    if lost:
        raise UserError(
            f"model.weights: {weights} does not fit {name}: {len(lost)} tensors differ, the first is {lost[0]}"
        )
    return module


def _load_torchvision(arch: Architecture, name: str, weights: str) -> nn.Module:
    known = [entry.name for entry in torchvision.models.get_model_weights(name)]
    if weights not in known:
        raise UserError(
            f"model.weights is {weights!r}: no such file, and torchvision has {', '.join(known)} for {name}"
        )
    try:
        return arch.build(weights=weights)
    except OSError as error:  # URLError is one
        raise UserError(
            f"model.weights: torchvision could not download {weights} for {name} ({_first_line(error)}); "
            "download the file elsewhere and give its path"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
