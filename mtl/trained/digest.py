"""One short text for many numbers, by which a change of any of them is noticed."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """16 hexadecimal digits of SHA-256 over names, types, shapes and bytes, and over a text if there is one.

    Example:
      >>> digest({"w": torch.ones(2)}) == digest({"w": torch.ones(1, 2)})
      False
    """
    found = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    found.update(text.encode())
    return found.hexdigest()[:16]
