"""CelebA's files, official or Kaggle's, become one table of ids, labels, split and identity."""

from collections import Counter
from pathlib import Path

import numpy as np

from mtl.data.image_files import find_images
from mtl.data.lists import decode_labels, read_labels, read_lines, split_fields, split_rows
from mtl.data.table import SPLITS, Table, refuse_twice
from mtl.errors import UserError
from mtl.kinds import BINARY


def read_table(root: Path) -> Table:
    """Reads the list files under `root`, or `root/celeba`, and finds their images.

    Files: `list_attr_celeba` and `list_eval_partition`, and `identity_CelebA` if there is one, each official (.txt)
    or Kaggle's (.csv); images in the folder `img_align_celeba`, in one of that name inside it, in
    `img_align_celeba.zip`, or in the folder `img_align_celeba_png`. Where the list says 000001.jpg and 000001.png is
    there, or an image of another of the formats that are decoded, that is taken. A label is 1 or -1; it is missing
    where the text has 0 or the CSV an empty cell. A list that has 0 and no -1 is read as 0 for absent, which is said:
    taken by the letter its text would know of no negative, and nothing could be learnt from it.

    Args:
      root: folder of the files.

    Returns:
      All rows and all attributes, in the files' order.

    Raises:
      UserError: if a file or an image is missing, or a file is not what it should be.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: set root to the folder that has CelebA's files", "root")
    folder = find_lists(root) or root
    ids, labels, mask, attributes = _read_attributes(_require_list(folder, "list_attr_celeba"))
    split = _read_split(_require_list(folder, "list_eval_partition"), ids)
    identities = _find_list(folder, "identity_CelebA")
    identity = _read_identity(identities, ids) if identities else np.full(len(ids), -1, dtype=np.int32)
    source, names = find_images(folder, ids)
    return Table(names, source, labels, mask, split, identity, attributes, (BINARY,) * len(attributes))


def find_lists(root: Path) -> Path | None:
    """`root` or `root/celeba`, whichever has CelebA's lists."""
    return next((place for place in (root, root / "celeba") if _find_list(place, "list_attr_celeba")), None)


def _find_list(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.txt", folder / f"{name}.csv") if path.is_file()), None)


def _require_list(folder: Path, name: str) -> Path:
    path = _find_list(folder, name)
    if path is None:
        raise UserError(
            f"neither {name}.txt nor {name}.csv is in {folder} or its sub-folder celeba: "
            "set root to the folder that has CelebA's files, or the hub's parquet files",
            "root",
        )
    return path


def _read_attributes(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Reads ids, labels, mask and names, each as `Table` has them."""
    lines = read_lines(path)
    num_before = 1 if path.suffix == ".csv" else 2  # lines before the rows: their number, in a text, and the names
    header = split_fields(path, lines[num_before - 1], num_before) if len(lines) >= num_before else []
    attributes = tuple(header[1:] if num_before == 1 else header)
    if not attributes:
        raise UserError(f"{path} names no attributes in line {num_before}: download it again.")
    refuse_twice(attributes, f"the header of {path}")
    ids, codes_NK = read_labels(path, lines[num_before:], num_before + 1, len(attributes))
    if num_before == 2 and lines[0].strip() != str(len(ids)):
        raise UserError(
            f"line 1 of {path} says {lines[0].strip()[:20]!r}, and {len(ids)} images "
            "follow: the file was cut short or changed, so download it again."
        )
    if len(set(ids)) < len(ids):
        raise UserError(f"{path} has {Counter(ids).most_common(1)[0][0]} more than once: download it again.")
    labels, mask = decode_labels(path, codes_NK, num_before + 1)
    return np.array(ids), labels, mask, attributes


def _read_split(path: Path, ids: np.ndarray) -> np.ndarray:
    values = _read_second_column(path, ids)
    split = np.full(len(ids), -1, dtype=np.int8)
    for index in range(len(SPLITS)):
        split[values == str(index)] = index
    refuse_values(path, values, split < 0, "0 (train), 1 (valid) or 2 (test)")
    for index, name in enumerate(SPLITS):
        if not (split == index).any():
            raise UserError(f"{path} has no image of the {name} split ({index}): each split needs some.")
    return split


def _read_identity(path: Path, ids: np.ndarray) -> np.ndarray:
    values = _read_second_column(path, ids)
    is_number = np.strings.isdecimal(values) & (np.strings.str_len(values) < 10)
    refuse_values(path, values, ~is_number, "the number of a person")
    return values.astype(np.int32)


def _read_second_column(path: Path, ids: np.ndarray) -> np.ndarray:
    """Reads a list of (id, value) whose ids must be `ids`; returns the values, [N] str."""
    num_before = int(path.suffix == ".csv")
    rows = split_rows(path, read_lines(path)[num_before:], num_before + 1, 2)
    found, values = (np.array(column) for column in zip(*rows, strict=True))
    if len(found) != len(ids):
        raise UserError(
            f"{path} lists {len(found)} images and the attributes' list {len(ids)}: take both from one place."
        )
    different = np.flatnonzero(found != ids)
    if len(different):
        row = different[0]
        raise UserError(
            f"line {num_before + 1 + row} of {path} is about {found[row]}, where the attributes' list has "
            f"{ids[row]}: both must list the same images in the same order."
        )
    return values


def refuse_values(path: Path, values: np.ndarray, is_bad: np.ndarray, expected: str) -> None:
    if is_bad.any():
        row = np.flatnonzero(is_bad)[0]
        line = row + (2 if path.suffix == ".csv" else 1)
        raise UserError(f"line {line} of {path} has {str(values[row])!r}, where {expected} should be.")
