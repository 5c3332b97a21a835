"""A trained network as an ordinary nn.Module."""

from functools import partial

import torch
from torch import Tensor, nn

from mtl.errors import check_choice
from mtl.models.images import normalize
from mtl.models.model import apply_heads, predict
from mtl.trained.folder import Loaded
from mtl.trained.naming import named_buffers, named_parameters, unnamed
from mtl.trained.saying import per_output, say

OUTPUTS = ("probabilities", "logits")


def to_module(loaded: Loaded, outputs: str = "probabilities") -> nn.Module:
    """Makes an nn.Module of images, uint8 [B, 3, H, W], to [B, K], in the order of `loaded.settings.tasks`.

    A task of several classes has a column for each, so that it is [B, O] (`mtl.trained.saying.output_names`).

    It is in evaluation mode; in training mode BatchNorm uses and moves its statistics, and dropout drops. Its
    `state_dict` has the names and the shapes of model.safetensors. What was loaded stays as it is.

    Args:
      loaded: from `load_model`.
      outputs: "probabilities", calibrated: sigmoid(logit / T), of classes softmax(logits / T), and the number of a
        regression in the table's unit; or "logits", as the heads give them.

    Raises:
      UserError: for other outputs.
    """
    check_choice("outputs", outputs, OUTPUTS)
    return TrainedModule(loaded, outputs).eval()


class TrainedModule(nn.Module):
    """See `to_module`."""

    def __init__(self, loaded: Loaded, outputs: str) -> None:
        super().__init__()
        self.settings, self.outputs = loaded.settings, outputs
        self._model = loaded.model
        self._of_heads = {group: tuple(of) for group, of in loaded.params.heads.items()}
        self._normalize = partial(normalize, mean=loaded.settings.mean, std=loaded.settings.std)
        for name, value in named_parameters(loaded.model, loaded.params).items():
            owner, last = _owner(self, name)
            owner.register_parameter(last, nn.Parameter(value.clone()))
        for name, value in named_buffers(loaded.buffers).items():
            owner, last = _owner(self, name)
            owner.register_buffer(last, value.clone())
        self._kinds = loaded.settings.kinds
        temperatures = per_output(loaded.settings.tasks, self._kinds, loaded.settings.temperatures)
        device = next(self.parameters()).device
        self.temperatures_O: Tensor
        self.register_buffer("temperatures_O", torch.tensor(temperatures, device=device), persistent=False)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        named = dict(self.named_parameters()), dict(self.named_buffers())
        params, buffers = unnamed(self._model, self._of_heads, *named)
        inputs = self._normalize(images_BCHW)
        if self.training:
            features, moved = self._model.trunk(params.trunk, buffers, inputs, True)
            for name, value in moved.items():
                buffers[name].copy_(value)
            outputs = apply_heads(self._model, params.heads, features)
        else:
            outputs = predict(self._model, params, buffers, inputs, self.settings.mirrored)
        logits_BO = torch.cat(list(outputs.values()), dim=1)
        return logits_BO if self.outputs == "logits" else say(self._kinds, logits_BO, self.temperatures_O)


class _Part(nn.Module):
    """A module whose parts may have any name, even those that nn.Module has itself, as a task might be called."""

    def train(self, mode: bool = True) -> "_Part":
        self.__dict__["training"] = mode  # nn.Module assigns it, and refuses where a part is called so
        for part in self.children():
            part.train(mode)
        return self


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that a tensor of that dotted name belongs to, made where it is not there; and the name's last part.

    Put in directly, since `add_module` refuses such names.
    """
    *path, last = name.split(".")
    for part in path:
        module = module._modules.setdefault(part, _Part())  # type: ignore[assignment]
    return module, last
