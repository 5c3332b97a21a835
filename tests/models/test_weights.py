"""Weights from files: the names that files have, what is taken, why something does not fit, and no code that runs."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from mtl.errors import UserError
from mtl.models.backbones import make_backbone
from mtl.models.stateless import Backbone
from mtl.models.weights import build_network, in_todays_names, read_file, unwrap
from tests.tiny import TinyNet

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return TinyNet().state_dict()


def tiny(path: Path, taps: tuple[str, ...] = ("stage2",), width: float = 1.0) -> Backbone:
    return make_backbone("tiny", taps, str(path), seed=0, width=width)


def assert_taken(backbone: Backbone, tensors: Tensors) -> None:
    for name, value in (backbone.params | backbone.buffers).items():
        assert torch.equal(value, tensors[name]), name


def wrapped(prefix: str, key: str = "") -> Callable[[Tensors], Any]:
    def wrap(tensors: Tensors) -> Any:
        named = {f"{prefix}{name}": value for name, value in tensors.items()}
        return {key: named, "epoch": 3} if key else named

    return wrap


@pytest.mark.parametrize(
    "wrap",
    [
        wrapped(""),
        wrapped("module."),
        wrapped("module.backbone.", "state_dict"),
        wrapped("model.trunk.", "state_dict"),
        wrapped("_orig_mod.", "model"),
    ],
)
def test_names_that_files_have(tensors: Tensors, tmp_path: Path, wrap: Callable[[Tensors], Any]) -> None:
    torch.save(wrap(tensors), tmp_path / "weights.pt")
    assert_taken(tiny(tmp_path / "weights.pt"), tensors)


def test_what_a_trunk_needs_is_taken_and_nothing_else(tensors: Tensors, tmp_path: Path) -> None:
    """Half-precision numbers, no counts of batches, a projector beside the trunk, and a stage behind its end."""
    kept = {name: value.half() for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    torch.save(kept | {"projector.weight": torch.ones(3)}, tmp_path / "weights.pt")
    backbone = tiny(tmp_path / "weights.pt", taps=("stage1",))
    assert list(backbone.params) == ["stage1.0.weight", "stage1.1.weight", "stage1.1.bias"]
    assert backbone.params["stage1.0.weight"].dtype == torch.float32
    assert torch.equal(backbone.params["stage1.0.weight"], kept["stage1.0.weight"].float())
    assert int(backbone.buffers["stage1.1.num_batches_tracked"]) == 0


def test_old_names_of_torchvisions_densenets() -> None:
    names = "features.denseblock1.denselayer2.norm.1.weight", "features.denseblock1.denselayer2.conv.2.weight"
    found = in_todays_names(dict.fromkeys(names, torch.zeros(1)))
    assert list(found) == [
        "features.denseblock1.denselayer2.norm1.weight",
        "features.denseblock1.denselayer2.conv2.weight",
    ]
    assert {*found} < torchvision.models.densenet121().state_dict().keys()


def test_a_wrapper_is_taken_off_only_where_that_makes_the_names_fit() -> None:
    vit = dict.fromkeys(["conv_proj.weight", "encoder.pos_embedding", "encoder.ln.weight"], torch.zeros(1))
    assert unwrap(vit, [*vit]) == vit
    assert [*unwrap({f"encoder.{name}": of for name, of in vit.items()}, [*vit])] == [*vit]


def slim(tensors: Tensors) -> Tensors:
    return {name: value[: max(1, value.shape[0] // 2)] if value.dim() else value for name, value in tensors.items()}


def without(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if not name.startswith("stage2.0")}


def of_another_kernel(tensors: Tensors) -> Tensors:
    return tensors | {"stage1.0.weight": torch.zeros(4, 3, 1, 1)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (slim, r"stage1.0.weight is 2 x 3 x 3 x 3 there and 4 x 3 x 3 x 3 here, so it is of another width, about 0.5$"),
        (without, r"1 of 12 tensors are missing, as stage2.0.weight; others are there, so it is of another backbone$"),
        (
            lambda _: {"other": torch.zeros(1)},
            r"10 of 12 tensors are missing, as stage1.0.weight; .* another backbone$",
        ),
        (lambda own: own | {"stage2.3.weight": torch.zeros(1)}, "it has 1 more tensors, as stage2.3.weight, so"),
        (of_another_kernel, r"stage1.0.weight is 4 x 3 x 1 x 1 there and .*, so it is of another backbone$"),
        (lambda own: own | {"stage1.0.weight": own["stage1.0.weight"].int()}, r".* int32 there .* another backbone$"),
    ],
)
def test_weights_of_another_network(
    tensors: Tensors, tmp_path: Path, change: Callable[[Tensors], Tensors], reason: str
) -> None:
    torch.save(change(tensors), tmp_path / "weights.pt")
    with pytest.raises(UserError, match=r"weights.pt does not fit tiny of width 1: " + reason):
        tiny(tmp_path / "weights.pt")


def test_numbers_that_are_not_finite(tensors: Tensors, tmp_path: Path) -> None:
    torch.save(tensors | {"stage2.1.bias": torch.full((6,), torch.nan)}, tmp_path / "weights.pt")
    with pytest.raises(UserError, match=r"not finite, the first in stage2.1.bias"):
        tiny(tmp_path / "weights.pt")


def test_a_slim_network_from_a_file(tmp_path: Path) -> None:
    slim = make_backbone("tiny", ("stage2",), "", seed=7, width=0.5)
    torch.save(slim.params | slim.buffers, tmp_path / "weights.pt")
    assert_taken(tiny(tmp_path / "weights.pt", width=0.5), slim.params | slim.buffers)
    with pytest.raises(UserError, match=r"of width 1: .* of another width, about 0.5"):
        tiny(tmp_path / "weights.pt")


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_reading_executes_nothing(tmp_path: Path, write: Callable[[Any, Path], object]) -> None:
    write({"weight": torch.zeros(1), "more": Hostile(tmp_path / "executed")}, tmp_path / "weights.pt")
    with pytest.raises(UserError, match=r"holds more than tensors \(\S+\), and reading that could execute code"):
        read_file(tmp_path / "weights.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"no tensors here", b"", pickle.dumps([1, 2], 2), pickle.dumps({"lr": 0.1}, 2)])
def test_files_without_a_state_dict(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"^\S+ holds no state dict"):
        read_file(tmp_path / "weights.pt")


def test_names_that_there_are_not() -> None:
    with pytest.raises(UserError, match=r"^weights is .*no such file, and torchvision has IMAGENET1K_V1"):
        make_backbone("resnet18", ("layer4",), "IMAGENET9", seed=0)
    with pytest.raises(UserError, match=r"^weights is 'gone/resnet18.pth': there is no such file or folder"):
        make_backbone("resnet18", ("layer4",), "gone/resnet18.pth", seed=0)


def test_googlenets_input_is_transformed_for_weights_of_others() -> None:
    """torchvision's weights of it expect images that are normalised otherwise."""
    build = partial(torchvision.models.googlenet, init_weights=False)
    module = build_network(build, transforms_input=True, filled=False)
    assert module.transform_input and not build_network(build, filled=False).transform_input


def test_weights_leave_other_random_numbers_alone(tensors: Tensors, tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "weights.pt")
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    tiny(tmp_path / "weights.pt")
    assert torch.equal(torch.rand(2), expected)
