"""Time of a convolution as a matrix product against torch's own, forward and backward, for maps of several sizes.

The layers are ResNet-18's 3 x 3 ones. Both take turns in one process; reported is the ratio of neighbouring turns, by
which `MOST_POSITIONS` of mtl/models/convolutions.py was chosen.

Command: python benchmarks/convolutions.py [--seconds=3]    writes artifacts/benchmarks/convolutions_<device>.json
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from absl import app, flags
from result import write_result
from torch import Tensor, nn

from mtl.bench.settings import Effort
from mtl.bench.timing import Contestant, ratio, take_turns
from mtl.models.convolutions import Convolution, as_product, geometry_of, windows

SECONDS = flags.DEFINE_float("seconds", 3.0, "rounds of a layer begin for this long")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "images")


class Layer(NamedTuple):
    """Channels in and out, stride, height and width of the map that it reads."""

    inputs: int
    outputs: int
    stride: int
    size: int


LAYERS = (
    *(Layer(512, 512, 1, size) for size in (1, 2, 3, 4)),
    *(Layer(256, 512, 2, size) for size in (2, 4, 8)),
    *(Layer(256, 256, 1, size) for size in (2, 3, 4)),
    *(Layer(128, 128, 1, size) for size in (4, 8)),
)


def torchs(layer: Convolution, images_BCHW: Tensor) -> Tensor:
    """As torch convolves."""
    return nn.Conv2d.forward(layer, images_BCHW)


def product(layer: Convolution, images_BCHW: Tensor) -> Tensor:
    """As a matrix product."""
    geometry = geometry_of(layer)
    rows, columns = windows(images_BCHW.shape[2:], layer.kernel_size, geometry)
    return as_product(images_BCHW, layer.weight, layer.bias, rows, columns, geometry)


def make(convolve: Callable[[Convolution, Tensor], Tensor], of: Layer, batch_size: int) -> Callable[[], object]:
    """Forward and backward pass of a layer, everything channels-last."""
    layer = Convolution(of.inputs, of.outputs, 3, of.stride, padding=1, bias=False)
    layer = layer.to(memory_format=torch.channels_last)
    images_BCHW = torch.randn(batch_size, of.inputs, of.size, of.size).contiguous(memory_format=torch.channels_last)
    images_BCHW.requires_grad_()
    cotangent = torch.ones_like(convolve(layer, images_BCHW))
    return lambda: torch.autograd.grad(convolve(layer, images_BCHW), (images_BCHW, layer.weight), cotangent)


def main(_argv: list[str]) -> None:
    effort, rows = Effort(seconds=SECONDS.value, min_rounds=5), list[dict[str, Any]]()
    for layer in LAYERS:
        contestants = {
            name: Contestant(partial(make, convolve, layer, BATCH_SIZE.value))
            for name, convolve in (("torch", torchs), ("product", product))
        }
        found = ratio(take_turns(contestants, "torch", torch.device("cpu"), effort), "product", "torch", "torch")
        assert found is not None
        rows.append({**layer._asdict(), "product / torch": found})
        written = -(-layer.size // layer.stride)
        print(
            f"{layer.inputs:4d} -> {layer.outputs:4d} channels, {written} x {written} positions: {found['median']:.2f}"
        )
    write_result("convolutions_cpu", {"batch_size": BATCH_SIZE.value, "rows": rows}, torch.device("cpu"))


if __name__ == "__main__":
    app.run(main)
