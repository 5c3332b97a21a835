"""MTCNN's three small networks, as functions of the weights that the package `mtcnn` ships.

The package itself runs them with TensorFlow, and is not imported: only the three files in its wheel are read.

Source: Zhang et al. 2016, Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mtl.errors import not_installed

POOLS = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}  # of the first convolutions; all of stride 2


class Layer(NamedTuple):
    """A convolution or a dense layer; `slope` is of the PReLU after it, which outputs lack."""

    weight: Tensor  # [O, I, H, W]; of a dense layer, H and W are 1
    bias_O: Tensor
    slope_O: Tensor | None


class Network(NamedTuple):
    """One of the three: convolutions, a dense layer in all but the first, and outputs side by side."""

    hidden: list[Layer]
    outputs: list[Layer]
    pools: tuple[int, ...]


class Networks(NamedTuple):
    """The cascade, in its order."""

    proposal: Network  # of 12 x 12 pixels: box shifts [4], logits [2]
    refinement: Network  # of 24 x 24: the same
    output: Network  # of 48 x 48: box shifts [4], five landmarks [10: all x, then all y], logits [2]


def load_networks() -> Networks:
    """Reads the weights from the installed package.

    Raises:
      UserError: the package is not installed.
    """
    spec = find_spec("mtcnn")
    if spec is None or find_spec("joblib") is None or find_spec("lz4") is None:
        raise not_installed("faces are found", "mtcnn", "photos")
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "assets" / "weights"
    return Networks(*(_load(folder / f"{name}.lz4", pools) for name, pools in POOLS.items()))


def _load(path: Path, pools: tuple[int, ...]) -> Network:
    """One network from its file, which lists the arrays of its layers in the order of Keras."""
    import joblib

    arrays = [torch.from_numpy(array) for array in joblib.load(path)]
    num_outputs = 3 if path.stem == "onet" else 2
    end = len(arrays) - 2 * num_outputs
    kernels, biases, slopes = (arrays[start:end:3] for start in range(3))
    hidden = [Layer(_as_kernel(w), b, slope.flatten()) for w, b, slope in zip(kernels, biases, slopes, strict=True)]
    outputs = [Layer(_as_kernel(w), b, None) for w, b in zip(arrays[end::2], arrays[end + 1 :: 2], strict=True)]
    return Network(hidden, outputs, pools)


def _as_kernel(weight: Tensor) -> Tensor:
    """[H, W, I, O] or [I, O] to [O, I, H, W]."""
    kernel = weight if weight.ndim == 4 else weight[None, None]
    return kernel.permute(3, 2, 0, 1).contiguous()


def apply_network(network: Network, images_NCHW: Tensor) -> list[Tensor]:
    """What a network says of images.

    Args:
      network: one of the three.
      images_NCHW: float32 in [-1, 1], RGB. The first network takes images of any size and answers for each place.

    Returns:
      One tensor [N, outputs, H, W] for each of the network's outputs; H = W = 1 but for the first network. The last
      holds the probability of a face, [N, 1, H, W].
    """
    x = images_NCHW
    for number, (weight, bias_O, slope_O) in enumerate(network.hidden):
        assert slope_O is not None
        if weight.shape[1] != x.shape[1]:  # the dense layer takes columns first, then rows, then channels
            x = x.transpose(1, 3).flatten(1)[:, :, None, None]
        x = F.prelu(F.conv2d(x, weight, bias_O), slope_O)
        if number < len(network.pools):
            x = F.max_pool2d(x, network.pools[number], stride=2, ceil_mode=True)
    *others, logits = (F.conv2d(x, weight, bias_O) for weight, bias_O, _ in network.outputs)
    return [*others, logits.softmax(dim=1)[:, 1:]]
