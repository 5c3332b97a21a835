"""The network as torch.export has it: a graph from images to calibrated probabilities, for any number of images.

What a regression says is among them, in the table's unit.

It is in float32, which is what parameters are kept in, and its convolutions are torch's own: whatever runs the graph
knows them, and fuses them with what follows.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mtl.errors import UserError
from mtl.models.images import normalize
from mtl.models.model import Params, predict
from mtl.models.probes import Tensors
from mtl.models.weights import first_line
from mtl.trained.folder import Loaded
from mtl.trained.network import build
from mtl.trained.saying import per_output, say

PROVENANCE = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node")  # paths of this machine are in it


def in_float32(loaded: Loaded, products: bool = True) -> Loaded:
    """The same network in float32, whatever it was trained in.

    Args:
      loaded: on the CPU.
      products: small maps are convolved as matrix products, see `mtl.models.convolutions`.
    """
    settings = loaded.settings._replace(precision="float32")
    model, _, _ = build(settings, torch.device("cpu"), products)
    return loaded._replace(model=model, settings=settings)


def trace(loaded: Loaded) -> ExportedProgram:
    """The graph: images, uint8 [B, 3, S, S], to probabilities, float32 [B, K], or [B, O] where tasks have classes.

    Args:
      loaded: on the CPU.

    Raises:
      UserError: if torch.export cannot follow the network.
    """
    size = loaded.settings.image_size
    images_BCHW = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    network = Network(in_float32(loaded, products=False)).eval()
    try:
        with torch.no_grad():
            program = torch.export.export(network, (images_BCHW,), dynamic_shapes=({0: Dim("batch")},), strict=False)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"torch.export cannot follow {loaded.settings.backbone} ({first_line(error)})") from error
    for node in program.graph.nodes:
        for name in PROVENANCE:
            node.meta.pop(name, None)
    return program


class Network(nn.Module):
    """What torch.export follows. Unlike `to_module`'s, its tensors' names do not hold tasks, which may be any text."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__()
        self._model, self._settings = loaded.model, loaded.settings
        self.trunk, self.statistics = Held(loaded.params.trunk), Held(loaded.buffers)
        self._groups = tuple(loaded.params.heads)
        self.heads = nn.ModuleList(Held(of) for of in loaded.params.heads.values())
        settings = loaded.settings
        temperatures = per_output(settings.tasks, settings.kinds, settings.temperatures)
        self.temperatures_O: Tensor
        self.register_buffer("temperatures_O", torch.tensor(temperatures))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        held_heads = cast(Iterable[Held], self.heads)  # the type of a ModuleList's modules is lost
        heads = {name: held.tensors() for name, held in zip(self._groups, held_heads, strict=True)}
        params, settings = Params(self.trunk.tensors(), heads), self._settings
        inputs_BCHW = normalize(images_BCHW, settings.mean, settings.std)
        outputs = predict(self._model, params, self.statistics.tensors(), inputs_BCHW, settings.mirrored)
        return say(settings.kinds, torch.cat([*outputs.values()], dim=1), self.temperatures_O)


class Held(nn.Module):
    """Tensors with names as `Params` has them, some with dots, which a module's own cannot have; no gradient."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self._names = {name: name.replace(".", "_") for name in tensors}
        for name, value in tensors.items():
            self.register_buffer(self._names[name], value.contiguous())  # as every runtime expects it

    def tensors(self) -> Tensors:
        return {name: getattr(self, held) for name, held in self._names.items()}
