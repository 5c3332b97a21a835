"""Images as official CelebA files in a folder, which torchvision's data set and our reader both read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mtl.data.image_files import IMAGES, reader
from mtl.data.load import DataSettings, load_table
from mtl.data.table import Table, take_rows

BASE = "celeba"  # the folder that torchvision wants under its root
BOXES, LANDMARKS = ("x_1", "y_1", "width", "height"), tuple(f"point_{number}" for number in range(10))


def lay_out_images(data: DataSettings, root: Path, num_images: int) -> DataSettings:
    """Copies images of the data to `root`, at most so many, spread evenly over their list; drawn faces are drawn first.

    Returns:
      The same settings for what is there, its pack to be kept beside it.
    """
    table = load_table(data)
    rows = np.unique(np.linspace(0, len(table.ids) - 1, min(num_images, len(table.ids))).astype(int))
    write_official(root, take_rows(table, rows), reader(table.source))
    return data._replace(name="celeba", root=root, cache=root / "cache")


def write_official(root: Path, table: Table, read: Callable[[str], bytes]) -> None:
    """Writes a table's images and lists. torchvision wants more: a person of its own where none is known, boxes of 0.

    Args:
      read: id -> bytes of the image.
    """
    folder = root / BASE
    (folder / IMAGES).mkdir(parents=True)
    for name in table.ids.tolist():
        (folder / IMAGES / name).write_bytes(read(name))
    values_NK = np.where(table.mask, np.where(table.labels, 1, -1), 0)
    num_images = len(table.ids)
    _write(folder / "list_attr_celeba.txt", table, values_NK, table.attributes)
    _write(folder / "list_eval_partition.txt", table, table.split[:, None])
    identity = np.where(table.identity < 0, np.arange(num_images), table.identity)
    _write(folder / "identity_CelebA.txt", table, identity[:, None])
    _write(folder / "list_bbox_celeba.txt", table, np.zeros((num_images, len(BOXES)), int), BOXES)
    _write(folder / "list_landmarks_align_celeba.txt", table, np.zeros((num_images, len(LANDMARKS)), int), LANDMARKS)


def _write(path: Path, table: Table, values_NC: np.ndarray, header: tuple[str, ...] = ()) -> None:
    rows = zip(table.ids.tolist(), values_NC.tolist(), strict=True)
    lines = [" ".join([name, *map(str, values)]) for name, values in rows]
    if header:
        lines = [str(len(lines)), " ".join(header), *lines]
    path.write_text("\n".join(lines) + "\n")
