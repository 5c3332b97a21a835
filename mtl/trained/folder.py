"""A model folder: model.safetensors, config.json and README.md of a trained network."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.models.model import Model, Params
from mtl.models.probes import Tensors
from mtl.record import files
from mtl.record.paths import CARD, CONFIG, MODEL, TENSORS
from mtl.trained.naming import named_buffers, named_parameters, unnamed
from mtl.trained.network import build
from mtl.trained.settings import Settings, as_json, read_settings
from mtl.trained.tensors import read_tensors, write_tensors
from mtl.trained.untrusted import damaged


class Loaded(NamedTuple):
    """A trained network.

    Attributes:
      model, params, buffers: as `make_model` gives them, on the device that was asked for.
      settings: what is done to images before it and to its logits after it, and what it is.
    """

    model: Model
    params: Params
    buffers: Tensors
    settings: Settings


def save_model(folder: Path, model: Model, params: Params, buffers: Tensors, settings: Settings, card: str) -> None:
    """Writes a model folder, each file whole or not at all, and config.json last; the same network, the same bytes.

    Args:
      folder: made if it is not there.
      model, params, buffers: on whichever device.
      settings: of this network.
      card: what README.md says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / TENSORS, named_parameters(model, params) | named_buffers(buffers))
    files.write_bytes(folder / CARD, card.encode())
    files.write_json(folder / CONFIG, as_json(settings))


def load_model(folder: Path | str, device: torch.device | str = "cpu") -> Loaded:
    """Loads a network from the folder named `model` that a finished run left. Nothing in the folder is executed.

    Args:
      folder: with config.json and model.safetensors. Floats of another precision, such as float16, become float32.
      device: where the network is to compute.

    Returns:
      (model, params, buffers, settings), to be called with `mtl.make_predict_step`, or made an `nn.Module` by
      `mtl.to_module`. On the device and in batches of the size that it was tested with, logits are those of the run's
      predictions.npz to the last bit.

    Raises:
      UserError: if the folder lacks a file, or a file is damaged or does not fit the other.
    """
    folder, device = Path(folder).expanduser(), torch.device(device)
    _check_there(folder)
    settings = read_settings(folder / CONFIG)
    try:
        model, like_params, like_buffers = build(settings, device)
    except UserError as error:  # without its argument, which is no field of the command's
        raise UserError(f"{folder / CONFIG}: {error}") from error
    tensors = read_tensors(folder / TENSORS)
    parameters, buffers = named_parameters(model, like_params), named_buffers(like_buffers)
    _check_fit(folder / TENSORS, tensors, parameters | buffers)
    named = ({name: tensors[name].to(like.dtype) for name, like in of.items()} for of in (parameters, buffers))
    found_params, found_buffers = unnamed(model, like_params.heads, *named)
    params = Params(
        _placed(found_params.trunk, like_params.trunk, device),
        {group: _placed(of, like_params.heads[group], device) for group, of in found_params.heads.items()},
    )
    return Loaded(model, params, _placed(found_buffers, like_buffers, device), settings)


def _check_there(folder: Path) -> None:
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            within = folder / MODEL / name
            hint = f"give {within.parent}" if within.is_file() else "give the folder named model of a finished run"
            raise UserError(f"{folder} is no model folder, for it has no {name}: {hint}")


def _check_fit(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuses tensors that are not those of the network of config.json."""
    lacking, others = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if lacking or others:
        what = f"it lacks {min(lacking)}" if lacking else f"its {min(others)} is no part of that network"
        raise damaged(path, f"{what}, as {CONFIG} describes it")
    for name, like in expected.items():
        found = tensors[name]
        if found.shape != like.shape:
            raise damaged(path, f"{name} has shape {[*found.shape]}, and {CONFIG} asks for {[*like.shape]}")
        if found.dtype != like.dtype and not (found.is_floating_point() and like.is_floating_point()):
            raise damaged(path, f"{name} is {_word(found)}, and {CONFIG} asks for {_word(like)}")


def _word(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _placed(tensors: Tensors, like: Tensors, device: torch.device) -> Tensors:
    """Tensors on a device, lying as others of these names and shapes do."""
    return {
        name: torch.empty_strided(value.shape, like[name].stride(), dtype=value.dtype, device=device).copy_(value)
        for name, value in tensors.items()
    }
