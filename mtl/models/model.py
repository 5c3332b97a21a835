"""The whole network: a trunk with taps and the task heads on top, as values and pure functions.

A network per task is the same thing with other parts: its "trunk" is K trunks side by side, with parameters on a
leading task axis, and each task taps its own. So whatever trains one network trains K independent ones at once.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from mtl.models.backbones import ProbedTrunk, architecture, make_backbone
from mtl.models.heads import Head, HeadParams, group_by_tap, make_head, parse_taps
from mtl.models.mapping import one_by_one
from mtl.models.probes import Convolution, Tensors

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Params(NamedTuple):
    """Everything that is learned: `trunk` name -> tensor, `heads` tap -> name -> [tasks of that tap, ...]."""

    trunk: Tensors
    heads: HeadParams


class Model(NamedTuple):
    """What is fixed of a network; its numbers travel beside it as `Params` and buffers.

    Attributes:
      groups: tap -> the tasks that read it; the heads' leading axis follows this order. With a network per task, the
        taps are the tasks.
      depths: task -> d_t, the layers with weights from the image to the task's output.
      trunk: (params, buffers, images_BCHW, train) -> (tap -> features [B, C], new buffers).
      head: (params of one head, features [B, C]) -> logits [B].
      convolutions, probe: of the trunk, see `backbones.Backbone`.
    """

    tasks: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    depths: dict[str, int]
    trunk: Callable[[Tensors, Tensors, Tensor, bool], tuple[Tensors, Tensors]]
    head: Callable[[dict[str, Tensor], Tensor], Tensor]
    convolutions: dict[str, Convolution]
    probe: Callable[[tuple[str, ...]], ProbedTrunk]


def make_model(
    tasks: tuple[str, ...],
    backbone: str,
    weights: str,
    taps: tuple[str, ...],
    head: str,
    hidden: int,
    seed: int,
    width: float = 1.0,
    image_size: int = 64,
) -> tuple[Model, Params, Tensors]:
    """Builds a network and its first parameters and buffers.

    Args:
      tasks: names, in the order of the labels' columns.
      backbone, weights: see `backbones.make_backbone`.
      taps: entries `task=stage`; tasks not named tap the deepest stage.
      head, hidden: see `heads.make_head`.
      seed: of the random weights; the same seed gives the same network whatever the method that trains it.
      width, image_size: see `backbones.make_backbone`.
    """
    stages = architecture(backbone).stages
    task_taps = parse_taps(taps, tasks, deepest=list(stages)[-1])
    groups = group_by_tap(task_taps)
    trunk = make_backbone(backbone, tuple(groups), weights, seed, width, image_size)
    kind: Head = make_head(head, hidden)
    heads = {
        tap: kind.init(trunk.widths[tap], len(members), seed + 1 + index)
        for index, (tap, members) in enumerate(groups.items())
    }
    depths = {task: stages[tap].depth + kind.num_layers for task, tap in task_taps.items()}
    model = Model(tasks, groups, depths, trunk.apply, kind.apply, trunk.convolutions, trunk.probe)
    return model, Params(trunk.params, heads), trunk.buffers


def separate(model: Model, params: Params, buffers: Tensors, at_once: bool) -> tuple[Model, Params, Tensors]:
    """A network per task: each gets a copy of the trunk and its own head, with the numbers that they have now.

    Args:
      model, params, buffers: from `make_model`.
      at_once: whether the trunks run together under `vmap`, or one after the other.
    """
    num_tasks = len(model.tasks)
    taps = {task: tap for tap, members in model.groups.items() for task in members}
    heads = {
        task: {name: value[index : index + 1].clone() for name, value in params.heads[tap].items()}
        for tap, members in model.groups.items()
        for index, task in enumerate(members)
    }

    def trunk(
        stacked: Tensors, stacked_buffers: Tensors, images_BCHW: Tensor, train: bool
    ) -> tuple[dict[str, Tensor], Tensors]:
        def one(params: Tensors, buffers: Tensors) -> tuple[dict[str, Tensor], Tensors]:
            return model.trunk(params, buffers, images_BCHW, train)

        features, moved = (vmap(one) if at_once else one_by_one(one))(stacked, stacked_buffers)
        return {task: features[taps[task]][k] for k, task in enumerate(model.tasks)}, moved

    def stack(values: Tensors) -> Tensors:
        return {name: value.expand(num_tasks, *value.shape).clone() for name, value in values.items()}

    groups: dict[str, tuple[str, ...]] = {task: (task,) for task in model.tasks}
    stacked_params = Params(stack(params.trunk), {task: heads[task] for task in model.tasks})
    # Nothing is shared, so there is nothing to probe.
    return model._replace(groups=groups, trunk=trunk, convolutions={}), stacked_params, stack(buffers)


def in_bfloat16(model: Model) -> Model:
    """The same network with its convolutions in bfloat16 (autocast); features, heads and losses stay float32."""

    def trunk(params: Tensors, buffers: Tensors, images_BCHW: Tensor, train: bool) -> tuple[dict[str, Tensor], Tensors]:
        # Without the cache: it would hand tensors of one level of torch.func's transformations to another.
        with torch.autocast(images_BCHW.device.type, torch.bfloat16, cache_enabled=False):
            features, moved = model.trunk(params, buffers, images_BCHW, train)
        return {tap: each.float() for tap, each in features.items()}, moved

    def probe(layers: tuple[str, ...]) -> ProbedTrunk:
        probed = model.probe(layers)

        def apply(
            params: Tensors, buffers: Tensors, images_BCHW: Tensor, probes: Tensors
        ) -> tuple[Tensors, Tensors, Tensors]:
            with torch.autocast(images_BCHW.device.type, torch.bfloat16, cache_enabled=False):
                features, moved, inputs = probed(params, buffers, images_BCHW, probes)
            return {tap: each.float() for tap, each in features.items()}, moved, inputs

        return apply

    return model._replace(trunk=trunk, probe=probe)


def normalize(images_BCHW: Tensor) -> Tensor:
    """Maps uint8 pixels to float32 with ImageNet's mean and deviation, which torchvision's weights expect."""
    mean = torch.tensor(IMAGENET_MEAN, device=images_BCHW.device).view(3, 1, 1)
    scale = 1.0 / torch.tensor(IMAGENET_STD, device=images_BCHW.device).view(3, 1, 1)
    return images_BCHW.to(torch.float32) * (scale / 255.0) - mean * scale


def augment(images_BCHW: Tensor, flip_B: Tensor, shift_B2: Tensor) -> Tensor:
    """Flips and shifts each image by its own draw; what a shift uncovers repeats the border.

    Args:
      images_BCHW: uint8.
      flip_B: bool, True mirrors left and right.
      shift_B2: int64, rows and columns in pixels; (1, 2) shows the image one row up and two columns to the left.
    """
    num_images, num_channels, height, width = images_BCHW.shape
    device = images_BCHW.device
    rows_BH = (torch.arange(height, device=device) + shift_B2[:, :1]).clamp(0, height - 1)
    columns_BW = (torch.arange(width, device=device) + shift_B2[:, 1:]).clamp(0, width - 1)
    columns_BW = torch.where(flip_B[:, None], width - 1 - columns_BW, columns_BW)
    image_index = torch.arange(num_images, device=device)[:, None, None, None]
    channel_index = torch.arange(num_channels, device=device)[None, :, None, None]
    return images_BCHW[image_index, channel_index, rows_BH[:, None, :, None], columns_BW[:, None, None, :]]
