"""A module with taps as values and a pure function: what a trunk is.

What is left of the module is its graph; it lives on the `meta` device and holds no numbers.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from mtl.errors import UserError
from mtl.models.convolutions import Geometry, replace_convolutions
from mtl.models.noise import Drawn, Undrawn, replace_noise
from mtl.models.parts import Part, within
from mtl.models.probes import Tensors, copied, find_convolutions, probe
from mtl.models.stages import guess_layout, pool, tap_depths

ProbedTrunk = Callable[[Tensors, Tensors, Tensor, Tensors], tuple[Tensors, Tensors, Tensors]]
Spread = Callable[[nn.Module], nn.Module]
OUTPUT = "output"  # the tap at a module's end


class Backbone(NamedTuple):
    """A trunk as values and a pure function.

    Attributes:
      params: name -> tensor, the module's names.
      buffers: name -> tensor: BatchNorm's running statistics, and what the noise of dropout and stochastic depth is
        made of (see `mtl.models.noise`), and the parameters of frozen parts, which no gradient reaches; empty for
        VGG-16.
      widths: tap -> number of channels.
      depths: tap -> layers with weights on the longest path from the input up to it.
      apply: (params, buffers, images_BCHW, train) -> (tap -> features [B, C], new buffers). With `train`, BatchNorm
        uses the batch's statistics, dropout drops, and the new buffers hold the moved averages and the next step's
        noise; nothing is changed in place. Frozen parts compute as in evaluation, and their buffers stand still.
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


def make_stateless(
    module: nn.Module,
    taps: tuple[str, ...],
    layouts: Mapping[str, str],
    inputs: Tensor,
    seed: int,
    spread: Spread = lambda module: module,
    frozen: Part = (),
    products: bool = True,
) -> Backbone:
    """The trunk that a module is.

    Args:
      module: returns tap -> what is read there, or one tensor, whose tap is "output".
      taps: each once.
      layouts: tap -> layout, where it is not to be guessed.
      inputs: an example, on the `meta` device.
      seed: of the noise.
      spread: makes the module run on several processes.
      frozen: what is not trained.
      products: small maps are convolved as matrix products, see `mtl.models.convolutions`.

    Raises:
      UserError: if the module draws random numbers otherwise than by layers that are known, and for a tap without a
        layout.

    Example:
      >>> make_stateless(nn.Linear(4, 8), ("output",), {}, torch.empty(2, 4, device="meta"), seed=0).widths
      {'output': 8}
    """
    module = replace_noise(module, seed)
    if products:
        module = replace_convolutions(module)
    values = {name: value.detach() for name, value in module.named_parameters()}
    params = {name: value for name, value in values.items() if not within(name, frozen)}
    buffers = dict(module.named_buffers()) | {name: value for name, value in values.items() if name not in params}
    still = frozenset(name for name in buffers if within(name, frozen))
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
    module = _stop(spread(module), frozen)
    apply = _stateless(module, copy.deepcopy(module).eval(), layouts, still)
    if isinstance(module, fx.GraphModule):
        probed = partial(_probe, module, layouts, still)
        found = {layer: how for layer, how in find_convolutions(module).items() if f"{layer}.weight" in params}
        return Backbone(params, buffers, widths, tap_depths(module), apply, found, probed)
    # Without a graph it is not known what lies on the way: every weight counts.
    depths = {OUTPUT: sum(value.dim() > 1 for value in params.values())}
    return Backbone(params, buffers, widths, depths, apply, {}, partial(_probe_nothing, apply))


def _stop(module: nn.Module, frozen: Part) -> nn.Module:
    """Puts the frozen parts in evaluation mode, in place."""
    for name, layer in module.named_modules():
        if within(name, frozen):
            layer.eval()
    return module


def _stateless(
    train_module: nn.Module, eval_module: nn.Module, layouts: Mapping[str, str], still: frozenset[str]
) -> Callable[..., tuple[Tensors, Tensors]]:
    """Two modules, since toggling one between train() and eval() makes torch.compile start again."""

    def apply(params: Tensors, buffers: Tensors, images_BCHW: Tensor, train: bool) -> tuple[Tensors, Tensors]:
        module = train_module if train else eval_module
        # functional_call moves BatchNorm's averages in place: give it copies, and return them.
        moved = copied(buffers, still) if train else buffers
        maps = _by_tap(functional_call(module, (params, moved), (images_BCHW,), strict=True))
        return _features(maps, layouts), moved

    return apply


def _probe(
    module: fx.GraphModule, layouts: Mapping[str, str], still: frozenset[str], layers: tuple[str, ...]
) -> ProbedTrunk:
    probed = probe(module, layers, still)

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
