"""Probes: a trunk that also tells what its convolutions read, and can be differentiated at what they wrote.

The gradient of a convolution's weight is made of the layer's input a and of the gradient delta at its output. Where
images and positions are few, this pair is smaller than the gradient, and so is the work on it; see
`mtl.gradients.parameters`. To get at the pair, zeros - the probes - are added to the layer's output.
"""

import copy
from collections import Counter
from collections.abc import Callable

from torch import Tensor, fx
from torch.func import functional_call

from mtl.models.convolutions import Geometry, geometry_of, is_plain

Tensors = dict[str, Tensor]


# (params, buffers, images_BCHW, layer -> zeros) -> (tap -> map, moved buffers, layer -> what it read)
ProbedMaps = Callable[[Tensors, Tensors, Tensor, Tensors], tuple[Tensors, Tensors, Tensors]]


def find_convolutions(module: fx.GraphModule) -> dict[str, Geometry]:
    """The convolutions that can be probed, by name, from the image up: without groups, padded with zeros, run once.

    Example:
      >>> from torch import nn
      >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8))
      >>> list(find_convolutions(fx.symbolic_trace(net)))  # the other has groups
      ['0']
    """
    calls = Counter(node.target for node in module.graph.nodes if node.op == "call_module")
    layers = {name: module.get_submodule(name) for name, number in calls.items() if number == 1}
    return {name: geometry_of(layer) for name, layer in layers.items() if is_plain(layer)}


def copied(buffers: Tensors, still: frozenset[str] = frozenset()) -> Tensors:
    """Copies that a pass in training mode may move in place; of what stands `still`, the tensors themselves.

    Example:
      >>> import torch
      >>> buffers = {"mean": torch.zeros(1), "weight": torch.ones(1)}
      >>> moved = copied(buffers, frozenset({"weight"}))
      >>> moved["mean"] is buffers["mean"], moved["weight"] is buffers["weight"]
      (False, True)
    """
    return {name: value if name in still else value.clone() for name, value in buffers.items()}


def probe(module: fx.GraphModule, names: tuple[str, ...], still: frozenset[str] = frozenset()) -> ProbedMaps:
    """The graph of a trunk with probes at these convolutions, each part in the mode in which it is.

    Example:
      >>> import torch
      >>> from torchvision.models.feature_extraction import create_feature_extractor
      >>> trunk = create_feature_extractor(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1, bias=False)), {"0": "end"})
      >>> weight, images_BCHW = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 3.0)
      >>> maps, _, inputs = probe(trunk, ("0",))({"0.weight": weight}, {}, images_BCHW, {"0": torch.zeros(1, 1, 1, 1)})
      >>> maps["end"].item(), inputs["0"].item()
      (6.0, 3.0)
    """
    graph = copy.deepcopy(module.graph)
    nodes = {node.target: node for node in graph.nodes if node.op == "call_module" and node.target in names}
    (output,) = (node for node in graph.nodes if node.op == "output")
    last_placeholder = [node for node in graph.nodes if node.op == "placeholder"][-1]
    for name in reversed(names):
        with graph.inserting_after(last_placeholder):
            zeros = graph.placeholder("probe_" + name.replace(".", "_"))
        with graph.inserting_after(nodes[name]):
            probed = graph.call_function(_add, (nodes[name], zeros))
        nodes[name].replace_all_uses_with(probed, delete_user_cb=lambda user, probed=probed: user is not probed)
    output.args = ((output.args[0], {name: nodes[name].args[0] for name in names}),)
    probed_module = fx.GraphModule(module, graph)
    # Others serve in evaluation alone; frozen parameters travel with the buffers.
    own = {name for name, _ in [*probed_module.named_buffers(), *probed_module.named_parameters()]}

    def apply(
        params: Tensors, buffers: Tensors, images_BCHW: Tensor, probes: Tensors
    ) -> tuple[Tensors, Tensors, Tensors]:
        moved = copied(buffers, still)
        zeros = [probes[name] for name in names]
        used = {name: value for name, value in moved.items() if name in own}
        maps, inputs = functional_call(probed_module, (params, used), (images_BCHW, *zeros), strict=True)
        return maps, moved, inputs

    return apply


def _add(output: Tensor, zeros: Tensor) -> Tensor:
    return output + zeros.to(output.dtype)  # under autocast the layer computes in bfloat16
