"""Slim networks."""

import pytest
import torch
import torchvision
from torch import nn

from mtl.errors import UserError
from mtl.models.backbones import make_backbone
from mtl.models.width import slim


@pytest.mark.parametrize(
    ("name", "last", "width", "num_channels"),
    [
        ("resnet18", "layer4", 0.25, 128),
        ("resnet18", "layer4", 0.3, 154),
        ("vgg16", "block5", 0.0001, 1),
        ("mobilenet_v3_small", "features.12", 0.5, 288),
    ],
)
def test_every_number_of_channels_is_scaled(name: str, last: str, width: float, num_channels: int) -> None:
    thin = make_backbone(name, (last,), "", 0, width)
    with torch.device("meta"):
        full = torchvision.models.get_model(name).state_dict()
    assert thin.widths == {last: num_channels}
    for key, value in (thin.params | thin.buffers).items():
        scaled = [max(1, round(width * size)) for size in full[key].shape[:1]]
        assert [*value.shape[:1], *value.shape[2:]] == [*scaled, *full[key].shape[2:]], key
    features, buffers = thin.apply(thin.params, thin.buffers, torch.randn(2, 3, 32, 32), True)
    assert features[last].shape == (2, num_channels)
    assert features[last].isfinite().all()
    assert all(value.shape == thin.buffers[key].shape for key, value in buffers.items())


def test_weights_are_drawn_as_torchvision_draws_them() -> None:
    """At the same size, the deviation of each layer's weights is that of torchvision's; the seed decides."""
    full = make_backbone("resnet18", ("layer2",), "", 0)
    thin, same, other = (make_backbone("resnet18", ("layer2",), "", seed, 0.999) for seed in (0, 0, 1))
    for key, value in full.params.items():
        assert thin.params[key].shape == value.shape
        assert torch.equal(thin.params[key], same.params[key])
        if value.dim() == 4:
            assert abs(thin.params[key].std() / value.std() - 1.0) < 5 / value.numel() ** 0.5
            assert not torch.equal(thin.params[key], other.params[key])
        else:
            assert torch.equal(thin.params[key], value), "BatchNorm begins with ones and zeros"
    assert all(torch.equal(thin.buffers[key], value) for key, value in full.buffers.items())


def test_depthwise_stays_depthwise_and_biases_are_zero() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1, groups=2, bias=False))
    first, depthwise, grouped = slim(module.to("meta"), 0.5)
    assert [(each.in_channels, each.out_channels, each.groups) for each in (first, depthwise, grouped)] == [
        (3, 4, 1),
        (4, 4, 4),
        (4, 2, 2),
    ]
    assert not first.bias.any()
    assert grouped.bias is None


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(UserError, match=r"^width is 0\.5, and swin_t cannot be scaled so .*weights that are not"):
        make_backbone("swin_t", ("features.7",), "", 0, 0.5)
    with pytest.raises(UserError, match=r"^width is 0\.3, and squeezenet1_1 cannot be scaled so"):
        make_backbone("squeezenet1_1", ("features.12",), "", 0, 0.3)  # 58 twice are not 115
    with pytest.raises(UserError, match="fits no slim network"):
        make_backbone("resnet18", ("layer4",), "IMAGENET1K_V1", 0, 0.5)
    for width in (0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="must be above 0"):
            make_backbone("resnet18", ("layer4",), "", 0, width)
