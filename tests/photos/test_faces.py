"""MTCNN's cascade: its parts by hand, and drawn and real faces where the package with the weights is installed."""

import io
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image

from mtl.errors import UserError
from mtl.photos import faces as faces_module
from mtl.photos import networks as networks_module
from mtl.photos.alignment import LANDMARKS_52, WIDTH
from mtl.photos.faces import Face, find_faces
from mtl.photos.networks import POOLS, Layer, Network, Networks, apply_network, load_networks

REAL = Path(__file__).parents[2] / "../shared/data/celeba/img_align_celeba.zip"
needs_weights = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mtcnn", "joblib", "lz4")), reason="mtcnn, of [photos], is not installed"
)
needs_images = pytest.mark.skipif(not REAL.is_file(), reason="no real images in ../shared/data/celeba")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks()


def wall_with(image: Image.Image, *corners: tuple[int, int]) -> np.ndarray:
    wall = Image.new("RGB", (700, 500), (120, 130, 140))
    for corner in corners:
        wall.paste(image, corner)
    return np.asarray(wall)


def make_network(name: str, widths: list[tuple[int, int, int]], outputs: tuple[int, ...]) -> Network:
    """A network of the right shape; all weights are 0.01."""
    hidden = [Layer(torch.full((o, i, k, k), 0.01), torch.zeros(o), torch.full((o,), 0.25)) for o, i, k in widths]
    last = [Layer(torch.full((o, widths[-1][0], 1, 1), 0.01), torch.zeros(o), None) for o in outputs]
    return Network(hidden, last, POOLS[name])


def test_networks_answer_for_what_they_look_at() -> None:
    proposal = make_network("pnet", [(10, 3, 3), (16, 10, 3), (32, 16, 3)], (4, 2))
    refinement = make_network("rnet", [(28, 3, 3), (48, 28, 3), (64, 48, 2), (128, 576, 1)], (4, 2))
    output = make_network("onet", [(32, 3, 3), (64, 32, 3), (64, 64, 3), (128, 64, 2), (256, 1152, 1)], (4, 10, 2))
    for network, side, numbers in ((proposal, 12, (4, 1)), (refinement, 24, (4, 1)), (output, 48, (4, 10, 1))):
        shapes = [tuple(answer.shape) for answer in apply_network(network, torch.ones(2, 3, side, side))]
        assert shapes == [(2, number, 1, 1) for number in numbers]
    wide = apply_network(proposal, torch.ones(1, 3, 12, 18))[1]
    assert wide.shape == (1, 1, 1, 4)  # a place for every second pixel
    torch.testing.assert_close(wide, torch.full((1, 1, 1, 4), 0.5))


def test_boxes_become_squares_and_move_by_shares_of_their_sides() -> None:
    boxes_N4 = torch.tensor([(10.0, 20.0, 30.0, 60.0)])
    torch.testing.assert_close(faces_module._squares(boxes_N4), torch.tensor([(0.0, 20.0, 40.0, 60.0)]))
    shifted_N4 = faces_module._shift(boxes_N4, torch.tensor([(0.1, 0.1, -0.1, 0.5)]))
    torch.testing.assert_close(shifted_N4, torch.tensor([(12.0, 24.0, 28.0, 80.0)]))


def test_a_box_inside_of_a_likelier_one_goes() -> None:
    boxes_N4 = torch.tensor([(10.0, 10.0, 20.0, 20.0), (0.0, 0.0, 100.0, 100.0), (90.0, 90.0, 130.0, 130.0)])
    assert faces_module._apart(boxes_N4, torch.tensor([0.8, 0.9, 0.7])) == [1, 2]
    assert faces_module._apart(boxes_N4[:0], torch.zeros(0)) == []


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks_module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"faces are found with mtcnn, which is not installed: .* -e '\.\[photos\]'"):
        load_networks()


@needs_weights
@pytest.mark.parametrize("size", [(1, 1), (11, 300), (30, 30), (200, 3000)])
def test_where_there_is_no_face_none_is_found(size: tuple[int, int], networks: Networks) -> None:
    assert find_faces(np.full((*size, 3), 90, dtype=np.uint8), networks) == []


@needs_weights
@needs_images
def test_two_real_faces_are_found_where_they_are(networks: Networks) -> None:
    with ZipFile(REAL) as archive:
        data = archive.read(next(name for name in archive.namelist() if name.endswith("000001.jpg")))
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = 2.0 * image.width / WIDTH
    large = image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC)
    photo_HWC = wall_with(large, (60, 100), (400, 150))
    found = from_left(find_faces(photo_HWC, networks))
    for face, corner in zip(found, ((60, 100), (400, 150)), strict=True):
        in_aligned_52 = (face.landmarks_52 - corner) / scale
        assert np.abs(in_aligned_52 - LANDMARKS_52).max() < 12
        assert (face.box_4[:2] < face.landmarks_52.min(axis=0)).all()
        assert (face.landmarks_52.max(axis=0) < face.box_4[2:]).all()
    check_same(from_left(find_faces(photo_HWC, networks)), found)
    larger_HWC = np.asarray(Image.fromarray(photo_HWC).resize((2800, 2000), Image.Resampling.BICUBIC))
    for face, other in zip(from_left(find_faces(larger_HWC, networks)), found, strict=True):
        np.testing.assert_allclose(face.landmarks_52 / 4, other.landmarks_52, atol=3)


def from_left(found: list[Face]) -> list[Face]:
    return sorted(found, key=lambda face: face.box_4[0])


def check_same(some: list[Face], others: list[Face]) -> None:
    for face, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(face.landmarks_52, other.landmarks_52)
        np.testing.assert_array_equal(face.box_4, other.box_4)
        assert face.probability == other.probability
