"""Stages found from graphs: names, depths that others have counted, layouts."""

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model_builder

from mtl.errors import UserError
from mtl.models.architectures import ARCHITECTURES, architecture
from mtl.models.stages import Stage, find_stages, pool
from mtl.models.weights import build_on_meta


def find(name: str) -> dict[str, Stage]:
    return find_stages(build_on_meta(get_model_builder(name)))


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_the_table_says_what_the_graph_says(name: str) -> None:
    found, table = find(name), ARCHITECTURES[name].stages
    assert list(found) == list(table)
    for tap, stage in table.items():
        assert found[tap].depth == stage.depth
        assert found[tap].node.startswith(stage.node)
        assert stage.layout == found[tap].layout == "BCHW"


@pytest.mark.parametrize(
    ("name", "num_layers", "num_in_classifier"),
    [("resnet34", 34, 1), ("resnet50", 50, 1), ("densenet121", 121, 1), ("vgg19_bn", 19, 3), ("googlenet", 22, 1)],
)
def test_depth_is_the_number_of_layers_in_the_name(name: str, num_layers: int, num_in_classifier: int) -> None:
    """The papers count the longest path too, the classifier with it (GoogLeNet's says 22)."""
    assert list(find(name).values())[-1].depth == num_layers - num_in_classifier


def test_names_are_torchvisions() -> None:
    assert list(find("squeezenet1_1")) == ["features.4", "features.7", "features.12"]
    assert list(find("mobilenet_v3_small")) == ["features.1", "features.3", "features.8", "features.12"]
    assert list(find("shufflenet_v2_x0_5")) == ["stage2", "stage3", "conv5"]
    assert list(find("vgg11")) == ["block1", "block2", "block3", "block4", "block5"]
    assert list(find("vit_b_32")) == ["encoder"]


def test_swins_maps_have_their_channels_last() -> None:
    stages = find("swin_t")
    assert {tap: stage.layout for tap, stage in stages.items()} == {
        "features.1": "BHWC",
        "features.3": "BHWC",
        "features.5": "BHWC",
        "features.7": "BCHW",  # behind the last norm, permuted for the pooling
    }
    # Two blocks in the first stage, each with two layers in its attention and two behind it, after one convolution.
    assert stages["features.1"].depth == 1 + 2 * 4


def test_a_network_too_large_for_this_machine_takes_no_memory() -> None:
    assert list(find("regnet_y_128gf")) == [f"trunk_output.block{i}" for i in (1, 2, 3, 4)]


class Branching(nn.Module):
    """Two stages; in the second, a long branch beside a short one, and a shortcut around its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
        self.shrink = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.short, self.long = nn.Conv2d(6, 6, 1), nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1))
        self.last = nn.ReLU()
        self.fc = nn.Linear(6, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        shrunk = self.shrink(self.first(images_BCHW))
        return self.fc(self.last(self.short(shrunk) + self.long(shrunk) + shrunk).mean(dim=(2, 3)))


def test_stages_end_where_everything_passes_and_depth_is_the_longest_path() -> None:
    assert find_stages(Branching().to("meta").eval()) == {
        "first": Stage("first.1", 2),
        "shrink": Stage("last", 5),  # named after the last block with weights that everything passes
    }


def test_pool_takes_the_mean_over_the_image_plane_or_the_class_token() -> None:
    map_BCHW = torch.arange(24.0).view(1, 2, 3, 4)
    expected = torch.tensor([[5.5, 17.5]])
    assert torch.equal(pool(map_BCHW, "BCHW"), expected)
    assert torch.equal(pool(map_BCHW.permute(0, 2, 3, 1), "BHWC"), expected)
    assert torch.equal(pool(torch.arange(6.0).view(1, 3, 2), "BNC"), torch.tensor([[0.0, 1.0]]))
    assert torch.equal(pool(expected, "BC"), expected)


def test_no_network_of_that_name() -> None:
    with pytest.raises(UserError, match=r"^backbone is 'resnet19'.* closest names are resnet18"):
        architecture("resnet19")
    assert "raft_large" in torchvision.models.list_models()
    with pytest.raises(UserError, match="no classification network"):
        architecture("raft_large")
