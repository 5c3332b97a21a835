"""Stages of a classification network, found from its graph: where tasks may tap it, and how deep these places are."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torchvision
from einops import reduce
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import NodePathTracer

from mtl.errors import UserError

IMAGE_SIZE = 224  # pixels at which stages are looked for; their names and depths hold for every size
HEADS = ("fc", "classifier", "head", "heads", "aux1", "aux2", "AuxLogits")  # torchvision's names of what is no trunk


class Stage(NamedTuple):
    """A place where a task may tap the trunk.

    Attributes:
      node: its name in the graph, as `torchvision.models.feature_extraction` has it.
      depth: layers with weights (convolutions, linear ones) on the longest path from the image up to it.
      layout: of what is read there, see `pool`.
    """

    node: str
    depth: int
    layout: str = "BCHW"


def pool(values: Tensor, layout: str) -> Tensor:
    """Features [B, C] of what a stage writes.

    Args:
      values: "BCHW" or "BHWC", a map: its mean over the image plane; "BNC", tokens: the first, which is the class's;
        "BC": features already.

    >>> pool(torch.ones(2, 7, 5, 3), "BHWC").shape
    torch.Size([2, 3])
    """
    if layout == "BNC":
        return values[:, 0]
    return values if layout == "BC" else reduce(values, f"{' '.join(layout)} -> B C", "mean")


def guess_layout(tap: str, values: Tensor) -> str:
    """The layout that a tensor of two or four dimensions has, if nothing else is said.

    Raises:
      UserError: for another number of dimensions.

    Example:
      >>> guess_layout("layer4", torch.ones(2, 7, 3, 3))
      'BCHW'
    """
    layouts = {2: "BC", 4: "BCHW"}
    if values.dim() not in layouts:
        raise UserError(f"what is read at {tap!r} has shape {tuple(values.shape)}: say how in layouts, as BNC")
    return layouts[values.dim()]


def find_stages(module: nn.Module) -> dict[str, Stage]:
    """The stages of a classification network, from the image up.

    A stage ends where the resolution halves next, at the last block there that everything has to pass (no shortcut goes
    around its end); the last stage ends before the classifier's pooling. Blocks are the module's children and their
    children, and a stage has the name of its last block with weights: "layer1", "features.3", "encoder". A stem of one
    strided layer is no stage, nor is a pooling alone. A VGG's blocks end with their pooling and have no names: they are
    called "block1" to "block5".

    Args:
      module: on the `meta` device, in evaluation mode; its graph is run there with images of 224 x 224 pixels.

    Example:
      >>> from mtl.models.weights import build_on_meta
      >>> {name: stage.depth for name, stage in find_stages(build_on_meta(torchvision.models.vgg11)).items()}
      {'block1': 1, 'block2': 2, 'block3': 4, 'block4': 6, 'block5': 8}
    """
    if isinstance(module, torchvision.models.VGG):
        return _find_vgg_blocks(module)
    graph, names = trace(module)
    shapes = _Shapes(graph).of(torch.empty(2, 3, IMAGE_SIZE, IMAGE_SIZE, device="meta"))
    depths = _depths(graph)
    last = {prefix: node for node, name in names.items() for prefix in _prefixes(name)}
    level, ends, blocks = 0, {}, dict[int, str]()
    for node in filter(shapes.__contains__, _bottlenecks(graph.graph)):
        shape, prefixes = shapes[node], _prefixes(names[node])
        if prefixes[0] in HEADS or len(shape) < 3 or shape[2:] == (1, 1):
            break
        if len(shape) == 4:
            level = round(math.log2(IMAGE_SIZE / shape[2]))  # dimension 2 is the image's in both layouts of maps
        # A child that holds a whole earlier stage names nothing: its children do.
        earlier = [block for at, block in blocks.items() if at < level]
        ended = [prefix for prefix in prefixes[:2] if last[prefix] is node and not _contains(prefix, earlier)]
        if ended:
            ends[level] = node
            if _num_weights(graph, ended[0]):
                blocks[level] = ended[0]
    stages, depth = {}, 0
    for level, node in ends.items():
        is_stem = level > 0 and depths[node] == 1
        if depths[node] > depth and not is_stem:
            stages[blocks[level]] = Stage(names[node], depths[node], _layout(shapes[node]))
        depth = depths[node]
    return stages


def tap_depths(graph: fx.GraphModule) -> dict[str, int]:
    """Tap -> layers with weights on the longest path from the input up to it, of a graph that returns tap -> tensor.

    Example:
      >>> from torchvision.models.feature_extraction import create_feature_extractor
      >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
      >>> tap_depths(create_feature_extractor(net, {"1": "early", "2": "late"}))
      {'early': 1, 'late': 2}
    """
    (output,) = (node for node in graph.graph.nodes if node.op == "output")
    depths = _depths(graph)
    return {tap: depths[node] for tap, node in output.args[0].items()}


def _find_vgg_blocks(module: torchvision.models.VGG) -> dict[str, Stage]:
    layers = list(module.features)
    ends = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    depths = [sum(isinstance(layer, nn.Conv2d) for layer in layers[:end]) for end in ends]
    return {
        f"block{number}": Stage(f"features.{end}", depth)
        for number, (end, depth) in enumerate(zip(ends, depths, strict=True), start=1)
    }


def trace(module: nn.Module) -> tuple[fx.GraphModule, dict[fx.Node, str]]:
    """The graph and the names of its nodes, both as `create_feature_extractor` finds them.

    Example:
      >>> graph, names = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU()))
      >>> list(names.values())
      ['input', '0', '1']
    """
    leaves = [each for each in vars(torchvision.ops).values() if isinstance(each, type) and issubclass(each, nn.Module)]
    tracer = NodePathTracer(autowrap_modules=(math, torchvision.ops), leaf_modules=leaves)
    graph = fx.GraphModule(module, tracer.trace(module))
    return graph, tracer.node_to_qualname


class _Shapes(fx.Interpreter):
    """Runs a graph and keeps the shape of each tensor that a node writes."""

    def of(self, images_BCHW: Tensor) -> dict[fx.Node, tuple[int, ...]]:
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        with torch.no_grad():
            self.run(images_BCHW)
        return self.shapes

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        return value


def _depths(graph: fx.GraphModule) -> dict[fx.Node, int]:
    """Layers with weights on the longest path from the image; only nodes that depend on it."""
    depths: dict[fx.Node, int] = {}
    for node in graph.graph.nodes:
        below = [depths[source] for source in node.all_input_nodes if source in depths]
        if node.op == "placeholder":
            depths[node] = 0
        elif below:
            depths[node] = max(below) + _num_layers(graph, node)
    return depths


def _num_layers(graph: fx.GraphModule, node: fx.Node) -> int:
    if node.op == "call_module":
        return _num_weights(graph, str(node.target))
    # A function that is handed its weights, as Swin's attention is: projections in and out.
    handed = [str(source.target) for source in node.all_input_nodes if source.op == "get_attr"]
    return sum(name.endswith("weight") and _get(graph, name).dim() > 1 for name in handed)


def _num_weights(graph: fx.GraphModule, name: str) -> int:
    """Weight matrices of a part of the module; 0 where the name is that of an operation."""
    try:
        part = graph.get_submodule(name)
    except AttributeError:
        return 0
    return sum(key.endswith("weight") and value.dim() > 1 for key, value in part.named_parameters())


def _get(graph: fx.GraphModule, name: str) -> Tensor:
    path, _, attribute = name.rpartition(".")
    return getattr(graph.get_submodule(path), attribute)


def _bottlenecks(graph: fx.Graph) -> Iterator[fx.Node]:
    """The nodes that every path from the image to the output passes, from the image up."""
    (image,) = (node for node in graph.nodes if node.op == "placeholder")
    place = {node: index for index, node in enumerate(graph.nodes)}
    dependent, furthest = {image}, 0
    for node in graph.nodes:
        if node is not image and dependent.isdisjoint(node.all_input_nodes):
            continue
        dependent.add(node)
        if place[node] >= furthest and node.op not in ("placeholder", "output"):
            yield node
        furthest = max([furthest, *(place[user] for user in node.users)])


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _contains(prefix: str, blocks: list[str]) -> bool:
    return any(block.startswith(f"{prefix}.") for block in blocks)


def _layout(shape: tuple[int, ...]) -> str:
    """Of a square image: the two sides of the plane are the equal ones."""
    if len(shape) == 3:
        return "BNC"
    return "BHWC" if shape[1] == shape[2] != shape[3] else "BCHW"
