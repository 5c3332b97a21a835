"""Builds torchvision's networks, and fills them with weights: random ones, torchvision's, or those of a file."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from mtl.errors import UserError
from mtl.models.stages import HEADS

Build = Callable[..., nn.Module]  # (weights=None or a name) -> the whole network


def build_on_meta(build: Build) -> nn.Module:
    """The network without numbers, in evaluation mode; takes no memory, however large it is.

    Example:
      >>> build_on_meta(torchvision.models.resnet18).fc.weight.device
      device(type='meta')
    """
    with torch.random.fork_rng(devices=[]), _NoMemory():
        return _quietly(build, weights=None).to("meta").eval()


def load(build: Build, name: str, weights: str, filled: bool = True) -> nn.Module:
    """Builds a network with its weights.

    Args:
      build: builds it.
      name: torchvision's name of it.
      weights: "" for random ones, the name of torchvision weights such as "IMAGENET1K_V1", or a file with a state dict.
      filled: False leaves it without numbers, on the `meta` device, as a network for those weights; they are not read.

    Raises:
      UserError: for weights that cannot be had or do not fit.

    Example:
      >>> load(lambda weights: nn.Linear(2, 1), "mine", weights="")
      Linear(in_features=2, out_features=1, bias=True)
    """
    if not filled:
        module = build_on_meta(build)
        return _expecting_weights(module) if weights else module
    if not weights:
        return _quietly(build, weights=None)
    if not Path(weights).is_file():
        return _load_torchvision(build, name, weights)
    module = _expecting_weights(_quietly(build, weights=None))
    try:
        values = torch.load(weights, map_location="cpu", weights_only=True)
        for key in list(values):  # torchvision's files of DenseNets have the names of an earlier version
            values[re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key)] = values.pop(key)
        missing, unexpected = module.load_state_dict(values, strict=False)
    except Exception as error:  # torch.load and load_state_dict raise a dozen types for a bad file
        raise UserError(f"{weights} holds no state dict that fits {name} ({first_line(error)})", "weights") from error
    lost = [key for key in [*missing, *unexpected] if key.split(".")[0] not in HEADS]
    if lost:
        raise UserError(f"{weights} does not fit {name}: {len(lost)} tensors differ, the first is {lost[0]}", "weights")
    return module


def first_line(error: Exception) -> str:
    """What an error says, in one line.

    Example:
      >>> first_line(ValueError("size mismatch\\nfor fc.weight"))
      'size mismatch'
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def _expecting_weights(module: nn.Module) -> nn.Module:
    if isinstance(module, torchvision.models.GoogLeNet | torchvision.models.Inception3):
        module.transform_input = True  # their weights expect images that are normalised otherwise
    return module


def _load_torchvision(build: Build, name: str, weights: str) -> nn.Module:
    known = [entry.name for entry in torchvision.models.get_model_weights(name)]
    if weights not in known:
        raise UserError(
            f"weights is {weights!r}: no such file, and torchvision has {', '.join(known)} for {name}", "weights"
        )
    try:
        return _quietly(build, weights=weights)
    except OSError as error:  # URLError is one
        raise UserError(
            f"torchvision could not download {weights} for {name} ({first_line(error)}); "
            "download the file elsewhere and give its path",
            "weights",
        ) from error
    except ValueError as error:  # of networks that are built for a size of images
        raise UserError(f"{weights} of {name} is for other images ({first_line(error)})", "weights") from error


def _quietly(build: Build, **arguments: Any) -> nn.Module:
    with warnings.catch_warnings():  # GoogLeNet and Inception announce that a later version will initialise otherwise
        warnings.simplefilter("ignore", FutureWarning)
        return build(**arguments)


class _NoMemory(TorchFunctionMode):
    """Parameters are made on the `meta` device; other tensors are not, since RegNets and Swins compute with some."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
