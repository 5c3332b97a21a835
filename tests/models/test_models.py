"""Backbones and heads: torchvision's numbers, depths that are counted, taps, weights from files."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from mtl.errors import UserError
from mtl.losses import binary
from mtl.models.architectures import architecture
from mtl.models.backbones import from_module, make_backbone
from mtl.models.heads import make_groups, make_head, parse_taps
from tests.tiny import make_tiny

BUILDERS = {"resnet18": torchvision.models.resnet18, "vgg16": torchvision.models.vgg16}


@pytest.mark.parametrize(("name", "last"), [("resnet18", "layer4"), ("vgg16", "block5")])
def test_same_features_as_torchvisions_module(monkeypatch: pytest.MonkeyPatch, name: str, last: str) -> None:
    # VGG-16's classifier, which is not read here, has 120 million weights: they are left as they are.
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda self: None)
    monkeypatch.setattr(nn.init, "normal_", lambda weights, *_: weights)
    with torch.random.fork_rng(devices=[]):
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


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small", "swin_t"])
def test_other_networks_have_torchvisions_features_too(name: str) -> None:
    """What torchvision hands to its classifier is what is read at the last stage."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = torchvision.models.get_model(name).eval()
    if name == "squeezenet1_1":  # its classifier begins with a convolution
        module.classifier = nn.AdaptiveAvgPool2d(1)
    else:
        classifier = next(each for each in ("fc", "classifier", "head") if hasattr(module, each))
        setattr(module, classifier, nn.Identity())
    last = list(architecture(name).stages)[-1]
    backbone = make_backbone(name, (last,), "", seed=3, image_size=32)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module(images)
        features, _ = backbone.apply(backbone.params, backbone.buffers, images, False)
    torch.testing.assert_close(features[last], expected)
    assert backbone.widths == {last: expected.shape[1]}


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        ("inception_v3", 64, r"inception_v3 cannot take such images"),
        ("vit_b_32", 40, r"vit_b_32 cannot take such images \(Input shape indivisible by patch size"),
    ],
)
def test_images_of_a_size_that_the_network_cannot_take(name: str, size: int, sentence: str) -> None:
    last = list(architecture(name).stages)[-1]
    with pytest.raises(UserError, match=f"^image_size is {size}, and {sentence}"):
        make_backbone(name, (last,), "", seed=0, image_size=size)


def test_a_module_of_ones_own_is_a_trunk_with_or_without_taps() -> None:
    module = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    whole = from_module(module, None, inputs)
    tapped = from_module(module, {"end": "2", "middle": "1"}, inputs)
    assert (whole.widths, tapped.widths) == ({"output": 3}, {"end": 3, "middle": 7})
    (output,), (end, middle) = (list(each.apply(each.params, {}, inputs, True)[0].values()) for each in (whole, tapped))
    with torch.no_grad():
        assert torch.equal(output, module(inputs))
        assert torch.equal(end, output)
        assert torch.equal(middle, module[:2](inputs))
    probed, _, read = whole.probe(())(whole.params, {}, inputs, {})
    assert torch.equal(probed["output"], output)
    assert read == whole.convolutions == {}
    with torch.no_grad():
        module[0].weight.zero_()
    assert whole.params["0.weight"].any(), "the trunk's numbers are its own"


def test_tokens_need_a_layout() -> None:
    module = nn.Linear(5, 7)
    with pytest.raises(UserError, match=r"'output' has shape \(2, 9, 7\): say how in layouts"):
        from_module(module, None, torch.empty(2, 9, 5))
    backbone = from_module(module, None, torch.empty(2, 9, 5), layouts={"output": "BNC"})
    assert backbone.widths == {"output": 7}


def test_a_convolution_that_runs_twice_is_not_probed() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.once, self.twice = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, images_BCHW: Tensor) -> Tensor:
            return self.twice(self.twice(self.once(images_BCHW)))

    assert list(from_module(Twice(), {"end": "twice_1"}, torch.empty(2, 3, 4, 4)).convolutions) == ["once"]


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
    assert {name: group.tasks for name, group in model.groups.items()} == {"stage2": ("a", "c"), "stage1": ("b",)}
    assert params.heads["stage2"]["0.weight"].shape == (2, 5, 6)
    assert params.heads["stage1"]["0.weight"].shape == (1, 5, 4)


def test_same_seed_same_network() -> None:
    (_, one, _), (_, two, _) = make_tiny(), make_tiny()
    assert all(torch.equal(one.trunk[key], two.trunk[key]) for key in one.trunk)
    heads = one.heads["stage2"]["weight"]
    assert not torch.equal(heads[0], heads[1]), "each task starts with weights of its own"


def test_names_that_are_not_there() -> None:
    with pytest.raises(UserError, match=r"the closest names are resnet18, resnet152"):
        make_backbone("ResNet19", ("layer4",), "", seed=0)
    with pytest.raises(UserError, match="can be tapped at layer1, layer2, layer3, layer4"):
        make_backbone("resnet18", ("layer5",), "", seed=0)
    with pytest.raises(UserError, match="choose one of linear, mlp"):
        make_head("attention", 8)


def test_parse_taps() -> None:
    taps = parse_taps(("Smiling=layer2",), ("Male", "Smiling", "Young"), "layer4")
    assert taps == {"Male": "layer4", "Smiling": "layer2", "Young": "layer4"}
    groups = make_groups(dict.fromkeys(taps, binary()), taps)
    assert {name: group.tasks for name, group in groups.items()} == {
        "layer4": ("Male", "Young"),
        "layer2": ("Smiling",),
    }
    with pytest.raises(UserError, match="write task=stage"):
        parse_taps(("Smiling",), ("Smiling",), "layer4")
    with pytest.raises(UserError, match=r"^taps names .*none of the tasks"):
        parse_taps(("Bald=layer2",), ("Smiling",), "layer4")
