"""How a trunk computes: in float32 or bfloat16, and how its kernels lie in memory."""

import torch

from mtl.models.model import Model, in_bfloat16
from mtl.models.probes import Tensors

PRECISIONS = ("float32", "bfloat16")


def make_in(precision: str, model: Model) -> Model:
    """The network in a precision.

    Example:
      >>> from mtl.losses import binary
      >>> from mtl.models.backbones import from_module
      >>> from mtl.models.model import make_model
      >>> model, _, _ = make_model(from_module(torch.nn.Linear(3, 2), None, torch.empty(2, 3)), {"smile": binary()})
      >>> make_in("float32", model) is model
      True
    """
    return in_bfloat16(model) if precision == "bfloat16" else model


def lay_out(trunk: Tensors, device: torch.device, precision: str) -> Tensors:
    """Kernels channels-last where convolutions are faster so: on a CPU, and on a GPU's tensor cores (bfloat16).

    A convolution takes its layout from its kernel, and whatever follows from the convolution. Names, shapes and numbers
    stay.

    Example:
      >>> lay_out({"conv.weight": torch.zeros(8, 4, 3, 3)}, torch.device("cpu"), "float32")["conv.weight"].stride()
      (36, 1, 12, 4)
    """
    if device.type != "cpu" and precision == "float32":
        return trunk
    return {
        name: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for name, value in trunk.items()
    }
