"""Dropout and stochastic depth whose noise is a pure function of the trunk's buffers.

torch's own draw from a global generator: a step would not be a function of its arguments, and a resumed run would go on
with other noise. Here such a layer has two buffers, a key of its own and the number of training passes so far, and its
noise is a hash of the two. As BatchNorm moves its averages, a training pass moves that number; so the noise travels
with the state of training, is kept by checkpoints, and needs no generator.
"""

import copy

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.ops import StochasticDepth

from mtl.streams import WORD, hashed_uniforms, mix

LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, StochasticDepth)


class Drop(nn.Module):
    """Sets parts of its input to 0 with probability p in training, and divides the others by 1 - p.

    Args:
      p: probability, in [0, 1].
      num_dims: leading dimensions over which it draws: 0, once for the batch; 1, for each image; 2, for each image and
        channel; None, for each number.
      key: int in [0, 2^32), of this layer's noise.

    Example:
      >>> layer = Drop(p=0.5, num_dims=1, key=7)
      >>> layer(torch.ones(4, 2))[:, 0], layer.num_passes
      (tensor([0., 0., 2., 0.]), tensor(1))
    """

    def __init__(self, p: float, num_dims: int | None, key: int) -> None:
        super().__init__()
        self.p, self.num_dims = p, num_dims
        self.rows, self.num_parts = slice(None), 1  # the whole batch's that are seen here, see `mtl.models.spread`
        self.key: Tensor
        self.num_passes: Tensor
        self.register_buffer("key", torch.tensor(key))
        self.register_buffer("num_passes", torch.tensor(0))

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        num_dims = values.dim() if self.num_dims is None else self.num_dims
        shape = (*values.shape[:num_dims], *(1,) * (values.dim() - num_dims))
        if num_dims and self.num_parts > 1:
            drawn = uniforms(self.key, self.num_passes, (shape[0] * self.num_parts, *shape[1:]))[self.rows]
        else:
            drawn = uniforms(self.key, self.num_passes, shape)
        kept = drawn >= self.p
        self.num_passes.add_(1)
        scale = 1.0 / (1.0 - self.p) if self.p < 1.0 else 0.0
        return values * (kept * scale).to(values.dtype)


def uniforms(key: Tensor, count: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers in (0, 1), float32, odd multiples of 2^-24: a function of key, count and their place.

    `streams.hashed_uniforms` with  a = mix(mix(key) ^ count),  b = mix(~a)

    A batch's first images have the same noise whatever follows them.

    Args:
      key, count: int64 scalars in [0, 2^32).

    >>> uniforms(torch.tensor(3), torch.tensor(0), (2, 1)).shape
    torch.Size([2, 1])
    """
    a = mix(mix(key) ^ count)
    index = torch.arange(torch.Size(shape).numel(), device=key.device).view(shape)
    return hashed_uniforms(a, mix(WORD - a), index)


def replace_noise(module: nn.Module, seed: int) -> nn.Module:
    """A copy of a module in which each layer that draws noise is a `Drop` with a key of its own.

    Args:
      module: its `nn.Dropout`s and torchvision's `StochasticDepth`s are replaced; those with p = 0 draw nothing.
      seed: the keys are drawn with it.

    Example:
      >>> replace_noise(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)), seed=0)
      Sequential(
        (0): Linear(in_features=4, out_features=8, bias=True)
        (1): Drop()
      )
    """
    module = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    layers = dict(module.named_modules(remove_duplicate=False))
    for name, layer in layers.items():
        if type(layer) in LAYERS and layer.p > 0.0:
            key = int(torch.randint(2**32, (), generator=generator))
            module.set_submodule(name, Drop(layer.p, _num_dims(layer), key), strict=True)
    return module


def _num_dims(layer: nn.Module) -> int | None:
    if isinstance(layer, StochasticDepth):
        return 0 if layer.mode == "batch" else 1
    return None if type(layer) is nn.Dropout else 2


class Undrawn(TorchDispatchMode):
    """While it is on, whatever draws from torch's generator raises `Drawn`."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise Drawn(str(func))
        return func(*args, **(kwargs or {}))


class Drawn(Exception):
    """Names the operation that drew from torch's generator."""
