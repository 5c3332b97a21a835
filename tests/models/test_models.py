"""Backbones and heads: torchvision's numbers, depths that are counted, taps, weights from files."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from mtl.errors import UserError
from mtl.models.backbones import ARCHITECTURES, make_backbone
from mtl.models.heads import group_by_tap, make_head, parse_taps
from tests.tiny import TinyNet, make_tiny

BUILDERS = {"resnet18": torchvision.models.resnet18, "vgg16": torchvision.models.vgg16}


@pytest.mark.parametrize(("name", "last"), [("resnet18", "layer4"), ("vgg16", "block5")])
def test_same_features_as_torchvisions_module(name: str, last: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = BUILDERS[name]().eval()
    backbone = make_backbone(name, (last,), "", seed=3)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        if name == "resnet18":
            module.fc = nn.Identity()
            expected = module(images)
        else:
            expected = module.features(images).mean(dim=(2, 3))
    features, _ = backbone.apply(backbone.params, backbone.buffers, images, False)
    torch.testing.assert_close(features[last], expected)
    assert not any(key.startswith(("fc.", "classifier.")) for key in backbone.params)


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_depths_are_the_layers_with_weights(name: str) -> None:
    """Counts the convolutions on the main path (shortcuts are beside it) that run before each tap's node."""
    from torchvision.models.feature_extraction import create_feature_extractor

    with torch.device("meta"):
        whole = BUILDERS[name]()
    for tap, stage in ARCHITECTURES[name].stages.items():
        module = create_feature_extractor(whole, {stage.node: tap})
        convolutions = [
            key for key, part in module.named_modules() if isinstance(part, nn.Conv2d) and "downsample" not in key
        ]
        assert stage.depth == len(convolutions), tap


def test_taps_share_one_pass_and_end_the_trunk() -> None:
    backbone = make_backbone("resnet18", ("layer3", "layer1"), "", seed=0)
    assert backbone.widths == {"layer3": 256, "layer1": 64}
    assert not any(key.startswith("layer4") for key in backbone.params)
    features, buffers = backbone.apply(backbone.params, backbone.buffers, torch.randn(2, 3, 32, 32), True)
    assert {tap: tuple(value.shape) for tap, value in features.items()} == {"layer3": (2, 256), "layer1": (2, 64)}
    moved = [key for key, value in buffers.items() if not torch.equal(value, backbone.buffers[key])]
    assert moved == list(backbone.buffers), "training mode moves every running statistic, in a copy"


def test_tasks_have_their_own_depth() -> None:
    model, params, _ = make_tiny(taps=("b=stage1",), head="mlp")
    assert model.depths == {"a": 4, "b": 3, "c": 4}
    assert model.groups == {"stage2": ("a", "c"), "stage1": ("b",)}
    assert params.heads["stage2"]["0.weight"].shape == (2, 5, 6)
    assert params.heads["stage1"]["0.weight"].shape == (1, 5, 4)


def test_same_seed_same_network() -> None:
    (_, one, _), (_, two, _) = make_tiny(), make_tiny()
    assert all(torch.equal(one.trunk[key], two.trunk[key]) for key in one.trunk)
    heads = one.heads["stage2"]["weight"]
    assert not torch.equal(heads[0], heads[1]), "each task starts with weights of its own"


def test_weights_from_a_file(tmp_path: Path) -> None:
    module = TinyNet()
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    backbone = make_backbone("tiny", ("stage2",), str(tmp_path / "weights.pt"), seed=0)
    assert torch.equal(backbone.params["stage1.0.weight"], module.state_dict()["stage1.0.weight"])


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no tensors here")
    with pytest.raises(UserError, match=r"does not fit tiny: .* the first is stage1"):
        make_backbone("tiny", ("stage2",), str(tmp_path / "other.pt"), seed=0)
    with pytest.raises(UserError, match="holds no state dict"):
        make_backbone("tiny", ("stage2",), str(tmp_path / "text.pt"), seed=0)
    with pytest.raises(UserError, match="no such file, and torchvision has IMAGENET1K_V1"):
        make_backbone("resnet18", ("layer4",), "IMAGENET9", seed=0)


def test_names_that_are_not_there() -> None:
    with pytest.raises(UserError, match=r"choose one of resnet18, vgg16"):
        make_backbone("resnet19", ("layer4",), "", seed=0)
    with pytest.raises(UserError, match="can be tapped at layer1, layer2, layer3, layer4"):
        make_backbone("resnet18", ("layer5",), "", seed=0)
    with pytest.raises(UserError, match="linear or mlp"):
        make_head("attention", 8)


def test_parse_taps() -> None:
    taps = parse_taps(("Smiling=layer2",), ("Male", "Smiling", "Young"), "layer4")
    assert taps == {"Male": "layer4", "Smiling": "layer2", "Young": "layer4"}
    assert group_by_tap(taps) == {"layer4": ("Male", "Young"), "layer2": ("Smiling",)}
    with pytest.raises(UserError, match="write task=stage"):
        parse_taps(("Smiling",), ("Smiling",), "layer4")
    with pytest.raises(UserError, match=r"not in data\.attributes"):
        parse_taps(("Bald=layer2",), ("Smiling",), "layer4")
