"""A trunk that runs on several processes, each with its rows of the batch.

Most layers look at one image at a time. Noise has to be that of the image's place in the whole batch, and BatchNorm's
mean and variance can be those of all processes' rows.
Shape legend: P processes, C channels.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mtl.models.noise import Drop
from mtl.world import World

Sum = Callable[[Tensor], Tensor]


def spread(module: nn.Module, world: World, synchronized: bool) -> nn.Module:
    """A copy whose noise is that of the whole batch, and on request its BatchNorms' statistics.

    Args:
      synchronized: mean and variance are the whole batch's; else those of each process's rows.

    Returns:
      The module itself where there is one process.

    Example:
      >>> from mtl.world import ALONE
      >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
      >>> isinstance(spread(net, ALONE._replace(size=2), synchronized=True)[1], WholeBatchNorm)
      True
    """
    if world.size == 1:
        return module
    module = copy.deepcopy(module)
    for name, layer in list(module.named_modules(remove_duplicate=False)):
        if isinstance(layer, Drop):
            layer.rows, layer.num_parts = world.rows, world.size
        elif synchronized and isinstance(layer, nn.modules.batchnorm._BatchNorm):
            module.set_submodule(name, WholeBatchNorm(layer, world), strict=True)
    return module


class WholeBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm with the mean and variance of the rows of all processes, which have equally many.

    A process's own mean and variance are put in its row of a matrix of zeros, and these are summed: one message.

    Args:
      layer: whose parameters, running statistics and options it takes.

    Example:
      >>> from mtl.world import ALONE
      >>> WholeBatchNorm(nn.BatchNorm1d(1), ALONE)(torch.tensor([[1.0], [3.0]])).flatten().round(decimals=3)
      tensor([-1.,  1.], grad_fn=<RoundBackward1>)
    """

    def __init__(self, layer: nn.modules.batchnorm._BatchNorm, world: World) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, affine=False, track_running_stats=False)
        self.affine, self.track_running_stats = layer.affine, layer.track_running_stats
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked
        self.train(layer.training)
        self.world = world

    def _check_input_dim(self, input: Tensor) -> None:
        """Whatever the layer took."""

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return super().forward(values)
        rank, size = self.world.rank, self.world.size
        exact, axes = values.float(), [axis for axis in range(values.dim()) if axis != 1]
        own_2C = torch.stack([exact.mean(axes), exact.var(axes, correction=0)])
        all_P2C = sum_over(pad(own_2C[None], (0, 0, 0, 0, rank, size - 1 - rank)), self.world)
        means_PC, variances_PC = all_P2C.unbind(1)
        mean_C = means_PC.mean(0)
        variance_C = (variances_PC + (means_PC - mean_C).square()).mean(0)
        self._move(mean_C.detach(), variance_C.detach(), size * values.numel() // values.shape[1])
        scale_C = (variance_C + self.eps).rsqrt()
        if self.weight is not None:
            scale_C = scale_C * self.weight
        shift_C = -mean_C * scale_C
        if self.bias is not None:
            shift_C = shift_C + self.bias
        shape = (-1, *(1,) * (values.dim() - 2))
        return (exact * scale_C.view(shape) + shift_C.view(shape)).to(values.dtype)

    def _move(self, mean_C: Tensor, variance_C: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean.add_(share * (mean_C - self.running_mean))
        self.running_var.add_(share * (variance_C * (count / max(count - 1, 1)) - self.running_var))


def sum_over(values: Tensor, world: World) -> Tensor:
    """Sum over the processes, differentiable: what one process adds reaches the losses of all.

    Example:
      >>> from mtl.world import ALONE
      >>> sum_over(torch.ones(2), ALONE)
      tensor([1., 1.])
    """
    return _Sum.apply(values, world)


class _Sum(torch.autograd.Function):
    """The gradient is the sum of all processes' gradients, by a sum again."""

    @staticmethod
    def forward(values: Tensor, world: World) -> Tensor:
        (summed,) = world.sum([values])
        return summed.clone() if summed is values else summed

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, World], output: Tensor) -> None:
        ctx.world = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return sum_over(gradient, ctx.world), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], values: Tensor, world: World) -> tuple[Tensor, int | None]:
        return sum_over(values, world), in_dims[0]
