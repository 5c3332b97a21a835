"""A crop for each face of each photo; what is wrong with the others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mtl.data.decoding import decode_all
from mtl.data.image_files import ImageSource
from mtl.errors import UserError
from mtl.photos import crops
from mtl.photos.alignment import HEIGHT, LANDMARKS_52, WIDTH
from mtl.photos.crops import crop_faces
from mtl.photos.faces import Face


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """An aligned image, a text, and another aligned image."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / name for name in ("a.png", "b.jpg", "c.png")]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path, "PNG")
    paths[1].write_text("no photo")
    return paths


def packed(path: Path, crop: str) -> np.ndarray:
    """The same file as training sees it."""
    (chunk,) = decode_all(ImageSource(path.parent, ""), [path.name], 32, crop, 1)
    return chunk.images_NCHW[0]


@pytest.mark.parametrize("crop", ["full", "square"])
def test_without_alignment_a_photo_is_what_training_would_see(photos: list[Path], crop: str) -> None:
    first, bad, last = crop_faces(photos, 32, crop, align="off")
    for photo in (first, last):
        (face,) = photo.faces
        np.testing.assert_array_equal(face.image_CHW, packed(photo.file, crop))
        assert face.box_4.tolist() == [0, 0, WIDTH, HEIGHT] and face.landmarks_52 is None and photo.problem is None
        np.testing.assert_array_equal(photo.image_HWC, np.asarray(Image.open(photo.file)))
    assert bad.faces == [] and "b.jpg cannot be read as a photo: it is none of" in (bad.problem or "")
    assert bad.image_HWC is None


@pytest.mark.parametrize("crop", ["full", "square"])
def test_each_face_is_aligned_and_cropped(photos: list[Path], crop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean face gives the bits of training; one beside it shows what is there."""
    box_4 = np.array([50.0, 80.0, 130.0, 170.0])
    faces = [Face(box_4, LANDMARKS_52, 1.0), Face(box_4 + 30, LANDMARKS_52 + 30, 0.9)]
    found = iter([faces, []])
    monkeypatch.setattr(crops, "load_networks", lambda: object())
    monkeypatch.setattr(crops, "find_faces", lambda photo_HWC, networks: next(found))
    first, bad, last = crop_faces(photos, 32, crop)
    np.testing.assert_array_equal(first.faces[0].image_CHW, packed(photos[0], crop))
    assert first.faces[0].box_4 is box_4
    shifted_HWC = np.pad(np.asarray(Image.open(photos[0])), ((0, 30), (0, 30), (0, 0)), mode="edge")[30:, 30:]
    expected_CHW = crops.fit(torch.from_numpy(shifted_HWC.copy()).permute(2, 0, 1), 32, crop)
    np.testing.assert_array_equal(first.faces[1].image_CHW, expected_CHW)
    assert bad.problem is not None and "b.jpg" in bad.problem
    assert last.faces == [] and last.problem == f"no face was found in {photos[2]}."


def test_another_way_to_align_is_refused(photos: list[Path]) -> None:
    with pytest.raises(UserError, match="align is 'of', closest to off; choose one of on, off"):
        crop_faces(photos, 32, "full", align="of")
