"""Writes small CelebA files, official or Kaggle's, for tests to read."""

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import ExifTags, Image

NAMES = ("Bald", "Male", "Smiling", "Young")


def make_ids(num_images: int) -> list[str]:
    return [f"{number:06d}.jpg" for number in range(1, num_images + 1)]


def make_values(num_images: int, num_missing: int = 0) -> np.ndarray:
    """Labels as the files have them, -1 or 1, and 0 for the missing ones: [num_images, len(NAMES)]."""
    generator = np.random.default_rng(0)
    values = generator.choice([-1, 1], (num_images, len(NAMES)))
    values.flat[generator.choice(values.size, num_missing, replace=False)] = 0
    return values


def make_jpeg(row: int, height: int = 16, width: int = 16, mode: str = "RGB", orientation: int | None = None) -> bytes:
    """A picture whose red rises from left to right, its green from top to bottom, and its blue from row to row."""
    image = np.full((height, width, 3), row * 20 % 256, dtype=np.uint8)
    image[..., 0] = np.linspace(0, 200, width)
    image[..., 1] = np.linspace(0, 200, height)[:, None]
    stream = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(image).convert(mode).save(stream, "JPEG", quality=90, exif=exif)
    return stream.getvalue()


def write_txt(folder: Path, values: np.ndarray, newline: str = "\r\n", gap: str = " ") -> None:
    """Official lists: every split has some, two images in a row are of one person."""
    ids = make_ids(len(values))
    rows = [f"{id_} " + gap.join(f"{value:2d}" for value in row) for id_, row in zip(ids, values, strict=True)]
    write(folder / "list_attr_celeba.txt", [f"{len(ids)}", " ".join(NAMES) + " ", *rows], newline)
    write(folder / "list_eval_partition.txt", [f"{id_} {row % 3}" for row, id_ in enumerate(ids)], newline)
    write(folder / "identity_CelebA.txt", [f"{id_} {row // 2 + 7}" for row, id_ in enumerate(ids)], newline)


def write_csv(folder: Path, values: np.ndarray, newline: str = "\n") -> None:
    """Kaggle's lists, without identities."""
    ids = make_ids(len(values))
    rows = [
        f"{id_}," + ",".join(str(value) if value else "" for value in row) for id_, row in zip(ids, values, strict=True)
    ]
    write(folder / "list_attr_celeba.csv", ["image_id," + ",".join(NAMES), *rows], newline)
    write(
        folder / "list_eval_partition.csv",
        ["image_id,partition", *(f"{id_},{row % 3}" for row, id_ in enumerate(ids))],
        newline,
    )


def write(path: Path, lines: list[str], newline: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + newline for line in lines).encode())


def write_images(folder: Path, num_images: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row, name in enumerate(make_ids(num_images)):
        (folder / name).write_bytes(make_jpeg(row))


def write_zip(path: Path, num_images: int, prefix: str = "img_align_celeba/") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        for row, name in enumerate(make_ids(num_images)):
            archive.writestr(prefix + name, make_jpeg(row))
