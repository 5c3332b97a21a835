"""A network from the settings of its folder, without its numbers."""

import torch

from mtl.kinds import Kind
from mtl.losses import Task, binary, classes, regression
from mtl.models.backbones import make_backbone
from mtl.models.model import Model, Params, make_model, separate
from mtl.models.precision import lay_out, make_in
from mtl.models.probes import Tensors
from mtl.trained.settings import Settings


def build(settings: Settings, device: torch.device, products: bool = True) -> tuple[Model, Params, Tensors]:
    """The network on a device; its parameters and buffers are on `meta`, laid out as they are to lie on the device.

    However large the settings ask it to be, it takes no memory.

    Args:
      products: see `make_backbone`.

    Raises:
      UserError: if there is no such network.
    """
    trunk = make_backbone(
        settings.backbone,
        tuple(dict.fromkeys(settings.taps.values())),
        settings.weights if settings.transforms_input else "",
        seed=0,
        width=settings.width,
        image_size=settings.image_size,
        filled=False,
        products=products,
    )
    with torch.device("meta"):
        tasks = {task: as_trained(kind) for task, kind in zip(settings.tasks, settings.kinds, strict=True)}
        model, params, buffers = make_model(trunk, tasks, settings.taps, settings.head, settings.hidden)
    params = params._replace(trunk=lay_out(params.trunk, device, settings.precision))
    model = make_in(settings.precision, model)
    if settings.separate:
        model, params, buffers = separate(model, params, buffers, at_once=device.type != "cpu")
    return model, params, buffers


def as_trained(kind: Kind) -> Task:
    """A task of that kind; what it cost does not matter to a network that is trained."""
    if kind.name == "classes":
        return classes(len(kind.classes))
    return binary() if kind.name == "binary" else regression()
