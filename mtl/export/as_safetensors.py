"""The numbers in half precision, with the metadata: what a model folder holds, half as large.

Put in the place of a folder's model.safetensors it is read as that is. Kernels and matrices become float16; biases
and what BatchNorm has stay as they are, for they are few, and a variance may be larger than float16 has numbers.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mtl.export.metadata import metadata
from mtl.trained.folder import Loaded
from mtl.trained.module import to_module
from mtl.trained.naming import named_buffers, named_parameters
from mtl.trained.tensors import read_tensors, write_tensors


def write(loaded: Loaded, path: Path) -> None:
    """Writes the numbers under the names of model.safetensors."""
    parameters = named_parameters(loaded.model, loaded.params)
    halved = {name: value.half() if value.dim() > 1 else value for name, value in parameters.items()}
    write_tensors(path, halved | named_buffers(loaded.buffers), metadata(loaded.settings))


def run(path: Path, loaded: Loaded) -> Callable[[Tensor], Tensor]:
    """Images to probabilities, by the network with the file's numbers."""
    module = to_module(loaded)
    module.load_state_dict(read_tensors(path))
    return torch.no_grad()(module)
