"""Slim networks: the same layers with every number of channels scaled."""

from torch import nn

NUM_COLOURS = 3  # channels of an image; they stay


def slim(module: nn.Module, width: float, filled: bool = True) -> nn.Module:
    """Scales a network in place: C channels become round(width C), at least 1; then draws its weights.

    Depthwise convolutions stay depthwise, other groups keep their number. Convolutions are drawn from a normal
    distribution of variance 2 / (outputs times positions of the filter) and their biases are 0 (He et al. 2015), which
    is how torchvision draws ResNets and VGGs. Other layers draw as torch does.

    Args:
      module: on the `meta` device.
      width: above 0.
      filled: False leaves it on the `meta` device, without weights.

    Raises:
      ValueError: if it has parameters or buffers outside of convolutions, BatchNorms and linear layers, whose channels
        are not known, and for groups that do not divide the channels.

    Example:
      >>> slim(nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU()).to("meta"), 0.25)
      Sequential(
        (0): Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
        (1): ReLU()
      )
    """
    owners = {name.rpartition(".")[0] for name, _ in [*module.named_parameters(), *module.named_buffers()]}
    for name in sorted(owners):
        module.set_submodule(name, _scale_layer(module.get_submodule(name), width), strict=True)
    return _draw(module) if filled else module


def _scale_layer(layer: nn.Module, width: float) -> nn.Module:
    if isinstance(layer, nn.Conv2d):
        return _scale_convolution(layer, width)
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm2d(_scale(layer.num_features, width), layer.eps, layer.momentum, device="meta")
    if isinstance(layer, nn.Linear):
        has_bias = layer.bias is not None
        return nn.Linear(_scale(layer.in_features, width), _scale(layer.out_features, width), has_bias, device="meta")
    raise ValueError("it has weights that are not of a convolution, a BatchNorm or a linear layer")


def _scale_convolution(layer: nn.Conv2d, width: float) -> nn.Conv2d:
    num_inputs = _scale(layer.in_channels, width)
    return nn.Conv2d(
        num_inputs,
        _scale(layer.out_channels, width),
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.dilation,  # type: ignore[arg-type]
        num_inputs if layer.groups == layer.in_channels else layer.groups,
        layer.bias is not None,
        layer.padding_mode,
        device="meta",
    )


def _scale(num_channels: int, width: float) -> int:
    return num_channels if num_channels == NUM_COLOURS else max(1, round(width * num_channels))


def _draw(module: nn.Module) -> nn.Module:
    module = module.to_empty(device="cpu")
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.Linear):
            layer.reset_parameters()
    return module
