"""Networks by name: how they are built, and where tasks may tap them."""

from collections.abc import Mapping
from functools import cache, partial
from typing import NamedTuple

import torchvision

from mtl.errors import UserError, closest_of_many
from mtl.models.parts import Part, find_parts
from mtl.models.stages import IMAGE_SIZE, Stage, find_stages
from mtl.models.weights import Build, build_on_meta


class Architecture(NamedTuple):
    """What is known of a trunk before it is built."""

    build: Build
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


def architecture(name: str, image_size: int = IMAGE_SIZE) -> Architecture:
    """Looks a network up by its name; its stages are found from its graph.

    Args:
      name: a key of `ARCHITECTURES`, or of any classification network of torchvision.
      image_size: height and width for which ViT and MaxViT are built; others take any that is large enough.

    Raises:
      UserError: for an unknown name.

    >>> list(architecture("resnet34").stages)
    ['layer1', 'layer2', 'layer3', 'layer4']
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    known = sorted({*ARCHITECTURES, *torchvision.models.list_models(module=torchvision.models)})
    if name not in known:
        near = closest_of_many(name.lower(), known, number=4)
        raise UserError(
            f"backbone is {name!r}, which is no classification network of torchvision; "
            f"the closest names are {', '.join(near)}",
            "backbone",
        )
    return Architecture(_builder(name, image_size), _stages(name))


def trunk_parts(arch: Architecture, taps: tuple[str, ...]) -> dict[str, Part]:
    """The parts of a trunk that ends at its deepest tap, see `mtl.models.parts`.

    Example:
      >>> list(trunk_parts(architecture("vgg16"), ("block2",)))
      ['block1', 'block2']
    """
    stages = list(arch.stages)
    deepest = max(stages.index(tap) for tap in taps)
    return find_parts(build_on_meta(arch.build), {name: arch.stages[name] for name in stages[: deepest + 1]})


def _builder(name: str, image_size: int) -> Build:
    build = torchvision.models.get_model_builder(name)
    if name.startswith("vit_"):
        return partial(build, image_size=image_size)
    return partial(build, input_size=(image_size, image_size)) if name.startswith("maxvit_") else build


@cache
def _stages(name: str) -> Mapping[str, Stage]:
    return find_stages(build_on_meta(torchvision.models.get_model_builder(name)))
