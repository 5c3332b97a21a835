"""Parts of a trunk by name: its stages, and the stem before them. A part may stand still, or learn at its own rate."""

from collections.abc import Mapping, Sequence

from torch import nn

from mtl.errors import check_choice
from mtl.models.stages import Stage, trace

WHOLE = "trunk"  # the name of all parts together
Part = tuple[str, ...]  # modules, and parameters that no module of the graph holds, by name


def find_parts(module: nn.Module, stages: Mapping[str, Stage]) -> dict[str, Part]:
    """The parts of a network up to its last stage, from the image up.

    A stage is what its tap has been through since the stage before. What stands before the blocks of the first one is
    the stem; it has the name of its first layer.

    Args:
      module: the network, on the `meta` device.
      stages: of `mtl.models.architectures`.

    Example:
      >>> from mtl.models.architectures import architecture
      >>> from mtl.models.weights import build_on_meta
      >>> resnet18 = architecture("resnet18")
      >>> parts = find_parts(build_on_meta(resnet18.build), resnet18.stages)
      >>> list(parts), parts["conv1"]
      (['conv1', 'layer1', 'layer2', 'layer3', 'layer4'], ('conv1', 'bn1', 'relu', 'maxpool'))
    """
    graph, names = trace(module)
    nodes = [node for node in graph.graph.nodes if node in names]
    parts, first = {}, 0
    for name, stage in stages.items():
        end = max(index for index, node in enumerate(nodes) if within(names[node], (stage.node,)))
        used = [str(node.target) for node in nodes[first : end + 1] if node.op in ("call_module", "get_attr")]
        parts[name], first = tuple(dict.fromkeys(used)), end + 1
    return _without_stem(parts)


def _without_stem(parts: dict[str, Part]) -> dict[str, Part]:
    name, first = next(iter(parts.items()))
    stem = tuple(target for target in first if not within(target, (name,)))
    if not stem or stem == first:  # a VGG's "block1" is the name of no module
        return parts
    called = ".".join(stem[0].split(".")[: name.count(".") + 1])
    return {called: stem, **parts, name: tuple(target for target in first if target not in stem)}


def within(name: str, part: Part) -> bool:
    """Whether a module or a parameter belongs to a part.

    Example:
      >>> within("layer1.0.conv1.weight", ("layer1.0",)), within("layer10.weight", ("layer1",))
      (True, False)
    """
    return any(name == target or name.startswith(f"{target}.") for target in part)


def together(argument: str, names: Sequence[str], parts: Mapping[str, Part]) -> Part:
    """All that the named parts hold; "trunk" names all of them.

    Raises:
      UserError: for a name that no part has, in the words of `argument`.

    Example:
      >>> together("freeze", ["stem", "block"], {"stem": ("conv1", "bn1"), "block": ("conv2",), "end": ("conv3",)})
      ('conv1', 'bn1', 'conv2')
    """
    for name in names:
        check_choice(argument, name, (*parts, WHOLE))
    return tuple(target for name, part in parts.items() if name in names or WHOLE in names for target in part)
