"""The whole network: a trunk with taps and the task heads on top, as values and pure functions.

A network per task is the same thing with other parts: its "trunk" is K trunks side by side, with parameters on a
leading task axis, and each task taps its own. So whatever trains one network trains K independent ones at once.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from mtl.errors import UserError
from mtl.losses import Task
from mtl.models.convolutions import Geometry
from mtl.models.heads import Group, HeadParams, make_groups, make_head
from mtl.models.mapping import one_by_one
from mtl.models.probes import Tensors
from mtl.models.stateless import Backbone, ProbedTrunk


class Params(NamedTuple):
    """Everything that is learned: `trunk` name -> tensor, `heads` group -> name -> [tasks of that group, ...]."""

    trunk: Tensors
    heads: HeadParams


class Model(NamedTuple):
    """What is fixed of a network; its numbers travel beside it as `Params` and buffers.

    Attributes:
      tasks: names, in the order of every [K].
      groups: name -> tasks whose heads are stacked; the heads' leading axis follows the group's order.
      depths: task -> d_t, the layers with weights from the input to the task's output.
      trunk: (params, buffers, inputs, train) -> (tap -> features [B, D], new buffers).
      head: (params of one head, features [B, D]) -> outputs [B, O].
      convolutions, probe: of the trunk, see `stateless.Backbone`.
      may_be_negative: tasks whose loss may be below 0.
    """

    tasks: tuple[str, ...]
    groups: dict[str, Group]
    depths: dict[str, int]
    trunk: Callable[[Tensors, Tensors, Tensor, bool], tuple[Tensors, Tensors]]
    head: Callable[[dict[str, Tensor], Tensor], Tensor]
    convolutions: dict[str, Geometry]
    probe: Callable[[tuple[str, ...]], ProbedTrunk]
    may_be_negative: tuple[str, ...]


def make_model(
    trunk: Backbone,
    tasks: Mapping[str, Task],
    taps: Mapping[str, str] | None = None,
    head: str = "linear",
    hidden: int = 64,
    seed: int = 0,
) -> tuple[Model, Params, Tensors]:
    """Puts a head for each task on a trunk: the network, its first parameters and its buffers.

    Args:
      trunk: from `backbones`.
      tasks: name -> what the task is.
      taps: name -> the stage of the trunk that the task reads; None: all read the last one.
      head, hidden: see `heads.make_head`.
      seed: of the heads' random weights; the same seed gives the same heads whatever the method that trains them.

    Raises:
      UserError: if there is no task, or a task reads a stage that the trunk does not give.

    Example:
      >>> from mtl.losses import binary, classes
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, buffers = make_model(trunk, {"smile": binary(), "age": classes(5)})
      >>> {name: head["weight"].shape for name, head in params.heads.items()}
      {'output': torch.Size([1, 1, 8]), 'output, 5 outputs': torch.Size([1, 5, 8])}
    """
    if not tasks:
        raise UserError("a network needs at least one task")
    taps = dict.fromkeys(tasks, list(trunk.widths)[-1]) if taps is None else taps
    for task, tap in taps.items():
        if tap not in trunk.widths:
            raise UserError(f"{task} reads {tap!r}; the trunk gives {', '.join(trunk.widths)}")
    groups, kind = make_groups(tasks, taps), make_head(head, hidden)
    heads = {
        name: kind.init(trunk.widths[group.tap], group.num_outputs, len(group.tasks), seed + index)
        for index, (name, group) in enumerate(groups.items())
    }
    depths = {task: trunk.depths[taps[task]] + kind.num_layers for task in tasks}
    read = tuple(dict.fromkeys(group.tap for group in groups.values()))
    model = Model(
        tasks=tuple(tasks),
        groups=groups,
        depths=depths,
        trunk=_reading(trunk.apply, read),
        head=kind.apply,
        convolutions=trunk.convolutions,
        probe=lambda layers: _reading(trunk.probe(layers), read),
        may_be_negative=tuple(name for name, task in tasks.items() if not task.positive),
    )
    return model, Params(trunk.params, heads), trunk.buffers


def _reading(apply: Callable[..., Any], taps: tuple[str, ...]) -> Callable[..., Any]:
    """The trunk with the taps that tasks read, in the order of `tasks_by_tap`: pulling back takes the very same."""

    def read(*args: Any) -> tuple[Any, ...]:
        features, *others = apply(*args)
        return {tap: features[tap] for tap in taps}, *others

    return read


def tasks_by_tap(model: Model) -> dict[str, tuple[str, ...]]:
    """Tap -> the tasks that read it, of whichever group, in the model's order.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, buffers = make_model(trunk, {"smile": binary(), "hat": binary()})
      >>> tasks_by_tap(model)
      {'output': ('smile', 'hat')}
    """
    taps = {task: group.tap for group in model.groups.values() for task in group.tasks}
    return {tap: tuple(task for task in model.tasks if taps[task] == tap) for tap in dict.fromkeys(taps.values())}


def apply_heads(model: Model, heads: HeadParams, features: Tensors) -> dict[str, Tensor]:
    """Task -> outputs [B, O], in the order of the tasks: one vmapped call per group.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, buffers = make_model(trunk, {"smile": binary(), "hat": binary()})
      >>> {task: each.shape for task, each in apply_heads(model, params.heads, {"output": torch.zeros(5, 8)}).items()}
      {'smile': torch.Size([5, 1]), 'hat': torch.Size([5, 1])}
    """
    outputs: dict[str, Tensor] = {}
    for name, group in model.groups.items():
        outputs_GBO = vmap(model.head, in_dims=(0, None))(heads[name], features[group.tap])
        outputs |= dict(zip(group.tasks, outputs_GBO.unbind(), strict=True))
    return {task: outputs[task] for task in model.tasks}


def predict(
    model: Model, params: Params, buffers: Tensors, inputs: Tensor, mirrored: bool = False
) -> dict[str, Tensor]:
    """Task -> outputs [B, O], with running statistics.

    Args:
      inputs: what the trunk reads; images are normalised.
      mirrored: inputs are images, and outputs the mean of those for the image and for its mirror image.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, buffers = make_model(trunk, {"smile": binary()})
      >>> predict(model, params, buffers, torch.zeros(5, 20))["smile"].shape
      torch.Size([5, 1])
    """
    both = torch.cat([inputs, inputs.flip(-1)]) if mirrored else inputs
    features, _ = model.trunk(params.trunk, buffers, both, False)
    outputs = apply_heads(model, params.heads, features)
    if not mirrored:
        return outputs
    return {task: each.unflatten(0, (2, -1)).mean(0) for task, each in outputs.items()}


def separate(model: Model, params: Params, buffers: Tensors, at_once: bool) -> tuple[Model, Params, Tensors]:
    """A network per task: each gets a copy of the trunk and its own head, with the numbers that they have now.

    Args:
      model, params, buffers: from `make_model`.
      at_once: whether the trunks run together under `vmap`, or one after the other.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(torch.nn.Linear(20, 8), None, torch.empty(2, 20))
      >>> model, params, buffers = make_model(trunk, {"smile": binary(), "hat": binary()})
      >>> separate(model, params, buffers, at_once=True)[1].trunk["weight"].shape  # one trunk for each task
      torch.Size([2, 8, 20])
    """
    num_tasks = len(model.tasks)
    taps = {task: group.tap for group in model.groups.values() for task in group.tasks}
    groups, heads = {}, {}
    for name, group in model.groups.items():
        for index, task in enumerate(group.tasks):
            groups[task] = group._replace(tap=task, tasks=(task,))
            heads[task] = {key: value[index : index + 1].clone() for key, value in params.heads[name].items()}

    def trunk(
        stacked: Tensors, stacked_buffers: Tensors, inputs: Tensor, train: bool
    ) -> tuple[dict[str, Tensor], Tensors]:
        def one(params: Tensors, buffers: Tensors) -> tuple[dict[str, Tensor], Tensors]:
            return model.trunk(params, buffers, inputs, train)

        features, moved = (vmap(one) if at_once else one_by_one(one))(stacked, stacked_buffers)
        return {task: features[taps[task]][k] for k, task in enumerate(model.tasks)}, moved

    def stack(values: Tensors) -> Tensors:
        return {name: value.expand(num_tasks, *value.shape).clone() for name, value in values.items()}

    groups = {task: groups[task] for task in model.tasks}
    stacked_params = Params(stack(params.trunk), {task: heads[task] for task in model.tasks})
    # Nothing is shared, so there is nothing to probe.
    return model._replace(groups=groups, trunk=trunk, convolutions={}), stacked_params, stack(buffers)


def in_bfloat16(model: Model) -> Model:
    """The same network with its convolutions in bfloat16 (autocast); features, heads and losses stay float32.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> trunk = from_module(torch.nn.Conv2d(1, 1, 1, bias=False), None, torch.empty(1, 1, 2, 2))
      >>> model, _, _ = make_model(trunk, {"smile": binary()})
      >>> weight = torch.full((1, 1, 1, 1), 1.001)  # bfloat16 has no number between 1 and 1.0078
      >>> rounded, _ = in_bfloat16(model).trunk({"weight": weight}, {}, torch.ones(1, 1, 2, 2), True)
      >>> rounded
      {'output': tensor([[1.]])}
    """

    def trunk(params: Tensors, buffers: Tensors, inputs: Tensor, train: bool) -> tuple[dict[str, Tensor], Tensors]:
        # Without the cache: it would hand tensors of one level of torch.func's transformations to another.
        with torch.autocast(inputs.device.type, torch.bfloat16, cache_enabled=False):
            features, moved = model.trunk(params, buffers, inputs, train)
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
