"""How well photos come back into CelebA's geometry: aligned images are made into photos, and aligned again.

Each photo shows one face of the test split, every fourth one two; each is made 1.5 to 4 times as large, turned by up
to 20 degrees and put somewhere on a grey wall of 800 x 600 pixels with noise. What was done to a face is known, so the
similarity that leads from the photo to the aligned image is, too. Reported are
  faces       how many were found, of how many, and how many more than there are
  corners     how far the corners of a frame around eyes and mouth are from where the aligned image has them, in pixels
              of 178 x 218, after the photo was aligned: median, and 95th percentile. An aligned image differs from
              the mean face by itself: `originals` is the same for images that were only made larger, and
              `against_originals` the difference of the two, which is what turning has added
  pixels      mean absolute difference of the networks' inputs, of 255, between the photo's crop and the aligned image,
              both at --image_size

Command: python benchmarks/photos.py --root=DIR --photos=DIR    writes artifacts/benchmarks/photos_<device>.json
The photos and their originals stay in --photos, which must lie outside of the repository: they show CelebA's images.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from absl import app, flags
from PIL import Image
from result import write_result

from mtl.data.celeba import read_table
from mtl.data.decoding import decode_one, fit
from mtl.data.image_files import ImageSource, read_image
from mtl.data.table import SPLITS
from mtl.photos.alignment import HEIGHT, LANDMARKS_52, WEIGHTS_5, WIDTH, fit_similarity, invert
from mtl.photos.crops import FaceCrop, crop_faces

ROOT = flags.DEFINE_string("root", "../shared/data/celeba", "CelebA's files")
PHOTOS = flags.DEFINE_string("photos", "/tmp/photos", "where photos and originals are written")
NUMBER = flags.DEFINE_integer("number", 20, "of photos", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "of which images, and of what is done to them")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "of the networks' inputs")
MAX_TURN = flags.DEFINE_float("max_turn", 20.0, "degrees")
SIDES = (800, 600)
FRAME_42 = np.array([(50.0, 95.0), (127.0, 95.0), (50.0, 165.0), (127.0, 165.0)])  # around eyes and mouth
CROP = "square"


class Placed(NamedTuple):
    """A face in a photo."""

    name: str  # of its image
    original_HWC: np.ndarray  # uint8, the aligned image
    matrix_23: np.ndarray  # from the aligned image, of 178 x 218, to the photo


def place(name: str, original_HWC: np.ndarray, middle_2: np.ndarray, scale: float, turn: float) -> Placed:
    """A face made `scale` times as large as its file, turned by radians, with its middle in a place of the photo."""
    scale *= original_HWC.shape[1] / WIDTH
    turn_22 = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return Placed(name, original_HWC, np.column_stack([turn_22, middle_2 - turn_22 @ (WIDTH / 2, HEIGHT / 2)]))


def paint(faces: Sequence[Placed], rng: np.random.Generator) -> Image.Image:
    """A wall with the faces on it."""
    wall = np.clip(rng.uniform(60, 200) + rng.normal(0, 6, (SIDES[1], SIDES[0], 3)), 0, 255).astype(np.uint8)
    photo = Image.fromarray(wall)
    for face in faces:
        image = Image.fromarray(face.original_HWC)
        to_file_23 = invert(face.matrix_23) * np.array([[image.width / WIDTH], [image.height / HEIGHT]])
        affine = tuple(to_file_23.ravel().tolist())
        how = (SIDES, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
        photo.paste(image.transform(*how), mask=Image.new("L", image.size, 255).transform(*how))
    return photo


def draw_photo(number: int, names: list[str], originals: list[np.ndarray], rng: np.random.Generator) -> list[Placed]:
    """Where the faces of a photo are: one anywhere, or two beside each other."""
    turns = np.radians(rng.uniform(-MAX_TURN.value, MAX_TURN.value, len(names)))
    scales = rng.uniform(1.5, 4.0 if len(names) == 1 else 2.5, len(names))
    columns = [400.0] if len(names) == 1 else [220.0, 580.0]
    middles = [np.array([column + rng.uniform(-40, 40), 300 + rng.uniform(-50, 50)]) for column in columns]
    return [place(*each) for each in zip(names, originals, middles, scales, turns, strict=True)]


def make_photos() -> tuple[dict[Path, list[Placed]], dict[Path, list[Placed]]]:
    """Writes the photos, and each of their faces alone, upright and made larger; says where which faces are."""
    rng, folder = np.random.default_rng(SEED.value), Path(PHOTOS.value)
    folder.mkdir(parents=True, exist_ok=True)
    table = read_table(Path(ROOT.value))
    assert isinstance(table.source, ImageSource), "CelebA's files, and no parquet"
    names = iter(rng.permutation(table.ids[table.split == SPLITS.index("test")]).tolist())
    turned: dict[Path, list[Placed]] = {}
    upright: dict[Path, list[Placed]] = {}
    for number in range(NUMBER.value):
        chosen = [next(names) for _ in range(2 if number % 4 == 3 else 1)]
        data = [read_image(table.source, name) for name in chosen]
        originals = [np.ascontiguousarray(decode_one(each).permute(1, 2, 0).numpy()) for each in data]
        faces = draw_photo(number, chosen, originals, rng)
        path = folder / f"photo_{number:03d}.jpg"
        paint(faces, rng).save(path, quality=92)
        turned[path] = faces
        for name, file, original_HWC in zip(chosen, data, originals, strict=True):
            (folder / f"original_{number:03d}_{name}").write_bytes(file)
            alone = place(name, original_HWC, np.array(SIDES) / 2, 3.0, 0.0)
            path = folder / f"upright_{number:03d}_{name}"
            paint([alone], rng).save(path, quality=92)
            upright[path] = [alone]
    return turned, upright


def match(placed: Placed, found: Sequence[FaceCrop]) -> FaceCrop | None:
    """The found face whose landmarks are at the placed one's, if there is any."""
    for face in found:
        assert face.landmarks_52 is not None
        back_23 = invert(placed.matrix_23)
        landmarks_52 = face.landmarks_52 @ back_23[:, :2].T + back_23[:, 2]
        if np.abs(landmarks_52 - LANDMARKS_52).max() < 40:
            return face
    return None


def corner_errors(placed: Placed, found: FaceCrop) -> np.ndarray:
    """How far the corners of the face are from where they were, in x and y: [4, 2]."""
    assert found.landmarks_52 is not None
    back_23 = fit_similarity(found.landmarks_52, LANDMARKS_52, WEIGHTS_5)
    in_photo_42 = FRAME_42 @ placed.matrix_23[:, :2].T + placed.matrix_23[:, 2]
    return in_photo_42 @ back_23[:, :2].T + back_23[:, 2] - FRAME_42


def inputs_differ(placed: Placed, found: FaceCrop) -> float:
    """Mean absolute difference of the network's inputs."""
    original_CHW = fit(torch.from_numpy(placed.original_HWC).permute(2, 0, 1), IMAGE_SIZE.value, CROP).numpy()
    return float(np.abs(original_CHW.astype(float) - found.image_CHW).mean())


def measure(photos: dict[Path, list[Placed]]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Figures over all photos, and the corners' errors of each image."""
    errors: dict[str, np.ndarray] = {}
    differences, num_found = [], 0
    for photo in crop_faces([*photos], IMAGE_SIZE.value, CROP):
        num_found += len(photo.faces)
        for placed in photos[photo.file]:
            if (found := match(placed, photo.faces)) is not None:
                errors[placed.name] = corner_errors(placed, found)
                differences.append(inputs_differ(placed, found))
    lengths = np.linalg.norm([*errors.values()], axis=-1)
    figures = {
        "faces": sum(len(faces) for faces in photos.values()),
        "found": len(errors),
        "others_found": num_found - len(errors),
        "corners_median": float(np.median(lengths)),
        "corners_95": float(np.percentile(lengths, 95)),
        "pixels_mean": float(np.mean(differences)),
    }
    return figures, errors


def main(_: Sequence[str]) -> None:
    turned, upright = make_photos()
    of_turned, errors = measure(turned)
    of_upright, upright_errors = measure(upright)
    both = [name for name in errors if name in upright_errors]
    added = np.linalg.norm([errors[name] - upright_errors[name] for name in both], axis=-1)
    against = {"corners_median": float(np.median(added)), "corners_95": float(np.percentile(added, 95))}
    result = {"photos": of_turned, "originals": of_upright, "against_originals": against}
    for name, figures in result.items():
        print(name, {key: round(value, 2) for key, value in figures.items()})
    write_result("photos_cpu", result | {"seed": SEED.value, "number": NUMBER.value}, torch.device("cpu"), ["mtcnn"])


if __name__ == "__main__":
    app.run(main)
