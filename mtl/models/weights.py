"""Builds torchvision's networks, and reads numbers for them: torchvision's, or those of a file."""

import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mtl.errors import UserError

Build = Callable[..., nn.Module]  # (weights=None or a name) -> the whole network
CONTENTS = ("state_dict", "model", "model_state_dict")  # where files of training programs hold a state dict
WRAPPERS = ("_orig_mod", "module", "model", "network", "net", "backbone", "trunk", "encoder")


class Weights(NamedTuple):
    """Numbers for a network to begin with.

    Attributes:
      where: what the user named.
      trunk: parameters and running statistics, by the network's names; whatever else is there, by other names.
      heads: task -> (the stage that it reads, name -> tensor).
      made_by: what is known of the network that had them, "" for a file.
      transforms_input: GoogLeNet and Inception undo the images' normalisation, as torchvision's weights of them expect.
    """

    where: str
    trunk: dict[str, Tensor]
    heads: dict[str, tuple[str, dict[str, Tensor]]]
    made_by: str = ""
    transforms_input: bool = True


def build_on_meta(build: Build) -> nn.Module:
    """The network without numbers, in evaluation mode; takes no memory, however large it is.

    Example:
      >>> build_on_meta(torchvision.models.resnet18).fc.weight.device
      device(type='meta')
    """
    with torch.random.fork_rng(devices=[]), _NoMemory():
        return _quietly(build, weights=None).to("meta").eval()


def build_network(build: Build, transforms_input: bool = False, filled: bool = True) -> nn.Module:
    """The network with random numbers.

    Args:
      build: builds it.
      transforms_input: see `Weights`; other networks have nothing of the kind.
      filled: False leaves it without numbers, on the `meta` device.

    Example:
      >>> build_network(lambda weights: nn.Linear(2, 1))
      Linear(in_features=2, out_features=1, bias=True)
    """
    module = _quietly(build, weights=None) if filled else build_on_meta(build)
    if transforms_input and isinstance(module, torchvision.models.GoogLeNet | torchvision.models.Inception3):
        module.transform_input = True
    return module


def read_weights(build: Build, name: str, weights: str, width: float = 1.0) -> Weights:
    """Reads torchvision's weights, or a file that torch saved; nothing in the file is executed.

    Args:
      build: builds the network.
      name: torchvision's name of it.
      width: of the trunk that they are for; torchvision has none for slim ones.
      weights: the name of torchvision weights such as "IMAGENET1K_V1", or a file with a state dict. That may be in a
        dictionary, as of PyTorch Lightning, and its names may begin with those of modules around the network.

    Raises:
      UserError: for weights that cannot be had.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        if width != 1.0:
            raise UserError(
                f"weights is {weights!r}, which is no file and fits no slim network: leave width at 1", "weights"
            )
        return Weights(weights, _download(build, name, weights), {})
    network = build_on_meta(build).state_dict()
    return Weights(weights, unwrap(in_todays_names(read_file(path)), network), {})


def read_file(path: Path) -> dict[str, Tensor]:
    """The state dict that a file holds.

    Raises:
      UserError: for a file that holds none.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a dozen types for a bad file
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise UserError(
                f"{path} holds more than tensors ({named[1]}), and reading that could execute code: load it where it "
                "was made, and save its state dict alone",
                "weights",
            ) from error
        raise UserError(f"{path} holds no state dict ({first_line(error)})", "weights") from error
    inner = [content[key] for key in CONTENTS if isinstance(content, dict) and isinstance(content.get(key), dict)]
    found = inner[0] if inner else content
    items = found.items() if isinstance(found, dict) else ()
    tensors = {str(key): value for key, value in items if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{path} holds no state dict, which is name -> tensor", "weights")
    return tensors


def in_todays_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's files of DenseNets have the names of an earlier version.

    Example:
      >>> list(in_todays_names({"denselayer1.norm.1.weight": torch.zeros(1)}))
      ['denselayer1.norm1.weight']
    """
    return {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key): of for key, of in tensors.items()}


def unwrap(tensors: dict[str, Tensor], network: Iterable[str]) -> dict[str, Tensor]:
    """Takes the names of modules around the network off, those of `WRAPPERS`, where most of its names are found so.

    Args:
      network: the names of its tensors.

    Example:
      >>> wrapped = {"module.backbone.conv1.weight": torch.zeros(1), "module.projector.weight": torch.zeros(1)}
      >>> list(unwrap(wrapped, ["conv1.weight"]))
      ['conv1.weight', 'module.projector.weight']
    """
    network = list(network)
    around = re.compile(rf"(?:(?:{'|'.join(WRAPPERS)})\.)*")
    prefixes = {""}
    for key in tensors:
        parts = around.match(key)[0].split(".")  # type: ignore[index]  # it matches nothing at least
        prefixes |= {"".join(f"{part}." for part in parts[:length]) for length in range(len(parts))}
    best = max(sorted(prefixes, key=len), key=lambda prefix: sum(f"{prefix}{name}" in tensors for name in network))
    own = {key.removeprefix(best): value for key, value in tensors.items() if key.startswith(best)}
    return own | {key: value for key, value in tensors.items() if not key.startswith(best) and key not in own}


def first_line(error: Exception) -> str:
    """What an error says, in one line.

    Example:
      >>> first_line(ValueError("size mismatch\\nfor fc.weight"))
      'size mismatch'
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def _download(build: Build, name: str, weights: str) -> dict[str, Tensor]:
    if Path(weights).suffix or "/" in weights:
        raise UserError(f"weights is {weights!r}: there is no such file or folder", "weights")
    known = [entry.name for entry in torchvision.models.get_model_weights(name)]
    if weights not in known:
        raise UserError(
            f"weights is {weights!r}: no such file, and torchvision has {', '.join(known)} for {name}", "weights"
        )
    try:
        return _quietly(build, weights=weights).state_dict()
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
