"""Fills a trunk with numbers that were read: each tensor by its name, and all of them or none."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.models.stages import HEADS
from mtl.models.stateless import Backbone
from mtl.models.weights import Build, Weights, build_on_meta

COUNT = "num_batches_tracked"  # of BatchNorm, which older files lack; other whole numbers are no weights
OF_IMAGE_SIZE = ("pos_embedding", "relative_position")  # what a ViT or a MaxViT has per place of the image


def fill(backbone: Backbone, weights: Weights, build: Build, name: str, width: float) -> Backbone:
    """The same trunk with the numbers of `weights`, in its own types.

    What lies behind the trunk's end is not needed, nor are heads of classes.

    Args:
      build: builds the network that the trunk was cut from.
      name, width: of the trunk, for the sentence.

    Raises:
      UserError: if a tensor of the trunk is missing or has another shape, or if there are more than such a network has.

    Example:
      >>> from torch import nn
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(nn.Linear(2, 1), None, torch.empty(2, 2))
      >>> weights = Weights("a.pt", {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, {})
      >>> fill(trunk, weights, lambda weights: nn.Linear(2, 1), "mine", width=1.0).params["weight"]
      tensor([[1., 1.]])
    """
    wanted = {**backbone.params, **backbone.buffers}
    wanted = {key: value for key, value in wanted.items() if value.is_floating_point() or key.endswith(COUNT)}
    if reason := misfit(wanted, weights.trunk, build, width):
        made_by = f" (of {weights.made_by})" if weights.made_by else ""
        raise UserError(f"{weights.where}{made_by} does not fit {name} of width {width:g}: {reason}", "weights")
    taken = {key: weights.trunk[key] for key in wanted if key in weights.trunk}
    for key, value in taken.items():
        if not torch.isfinite(value).all():
            raise UserError(f"{weights.where} holds numbers that are not finite, the first in {key}", "weights")

    def filled(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            key: torch.empty_like(value).copy_(taken[key]) if key in taken else value for key, value in tensors.items()
        }

    return backbone._replace(params=filled(backbone.params), buffers=filled(backbone.buffers))


def misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], build: Build, width: float) -> str:
    """Why the tensors are not this trunk's: in one line, with what they seem to be of; "" if they are.

    Args:
      wanted: the trunk's.
      found: by the names of the network that `build` makes.
      width: of the trunk.

    Example:
      >>> from torch import nn
      >>> conv, slim = ({"conv.weight": torch.zeros(channels, 3, 1, 1)} for channels in (64, 16))
      >>> misfit(conv, slim, lambda weights: nn.Conv2d(3, 64, 1), width=1.0)
      'conv.weight is 16 x 3 x 1 x 1 there and 64 x 3 x 1 x 1 here, so it is of another width, about 0.25'
    """
    missing = [key for key in wanted if key not in found and not key.endswith(COUNT)]
    if missing:
        others = f"it has {', '.join(list(found)[:3])}, ..." if not {*wanted} & {*found} else "others are there"
        lacks = f"{len(missing)} of {len(wanted)} tensors are missing, as {missing[0]}"
        return f"{lacks}; {others}, so it is of another backbone"
    if extra := _strange(wanted, found, build):
        return f"it has {len(extra)} more tensors, as {extra[0]}, so it is of another backbone"
    other = [key for key in wanted if key in found and not _alike(found[key], wanted[key])]
    if not other:
        return ""
    key = other[0]
    shapes = f"{key} is {_shape(found[key])} there and {_shape(wanted[key])} here"
    if all(any(part in each for part in OF_IMAGE_SIZE) for each in other):
        return f"{shapes}, so it is for images of another size"
    if all(_is_of_other_width(found[each], wanted[each]) for each in other):
        return f"{shapes}, so it is of another width, about {width * found[key].shape[0] / wanted[key].shape[0]:.2g}"
    return f"{shapes}, so it is of another backbone"


def _strange(wanted: Iterable[str], found: Iterable[str], build: Build) -> list[str]:
    """What stands among the trunk's modules, and is of no network that `build` makes."""
    modules = {key.split(".")[0] for key in wanted} - {*HEADS}
    among = [key for key in found if key not in wanted and key.split(".")[0] in modules]
    network = build_on_meta(build).state_dict() if among else {}
    return [key for key in among if key not in network]


def _alike(value: Tensor, like: Tensor) -> bool:
    return value.shape == like.shape and value.is_floating_point() == like.is_floating_point()


def _is_of_other_width(value: Tensor, like: Tensor) -> bool:
    return value.shape != like.shape and value.dim() == like.dim() > 0 and value.shape[2:] == like.shape[2:]


def _shape(value: Tensor) -> str:
    kind = "" if value.is_floating_point() else f" {str(value.dtype).removeprefix('torch.')}"
    return (" x ".join(map(str, value.shape)) or "one number") + kind
