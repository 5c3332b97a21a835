"""Writes small parquet files in the layouts that the hub has of CelebA, for tests to read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.celeba_files import NAMES, make_ids

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install -e '.[parquet]'")
pq = pytest.importorskip("pyarrow.parquet")

Rows = dict[str, Any]  # column -> values, of some rows
GROUP = 3  # rows
SPLITS = ("train", "valid", "test")


def flower_rows(values: np.ndarray, images: Sequence[bytes], rows: np.ndarray) -> Rows:
    """flwrlabs/celeba: a struct, the number of the person, booleans."""
    ids = make_ids(len(values))
    image = [{"bytes": images[row], "path": ids[row]} for row in rows]
    labels = {name: values[rows, k] == 1 for k, name in enumerate(NAMES)}
    return {"image": image, "celeb_id": rows // 2 + 7, **labels}


def signed_rows(values: np.ndarray, images: Sequence[bytes], rows: np.ndarray) -> Rows:
    """tpremoli/CelebA-attrs: a struct, 1 and -1, a text; the columns of another case and order here."""
    ids = make_ids(len(values))
    image = [{"bytes": images[row], "path": f"img/{ids[row]}"} for row in rows]
    labels = {
        name.lower(): [int(value) or None for value in values[rows, k]] for k, name in reversed([*enumerate(NAMES)])
    }
    return {"image": image, **labels, "prompt_string": ["a face"] * len(rows)}


def bare_rows(values: np.ndarray, images: Sequence[bytes], rows: np.ndarray) -> Rows:
    """Bytes without a struct, and columns for the name and the split."""
    labels = {name: (values[rows, k] == 1).astype(np.int8) for k, name in enumerate(NAMES)}
    ids = [make_ids(len(values))[row] for row in rows]
    return {"image_id": ids, "image": [images[row] for row in rows], **labels, "partition": rows % 3}


def nested_rows(values: np.ndarray, images: Sequence[bytes], rows: np.ndarray) -> Rows:
    """TensorFlow's layout: all labels in a struct."""
    flower = flower_rows(values, images, rows)
    labels = [{name: bool(flower[name][row]) for name in NAMES} for row in range(len(rows))]
    return {"image": flower["image"], "attributes": labels, "identity": [str(person) for person in flower["celeb_id"]]}


def write_parquet(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path, row_group_size=GROUP)


def write_shards(
    folder: Path,
    values: np.ndarray,
    images: Sequence[bytes],
    make: Callable[[np.ndarray, Sequence[bytes], np.ndarray], Rows],
    name: str = "{split}-{shard:05d}-of-{num_shards:05d}",
    num_shards: int = 1,
) -> None:
    """Image i is of split i % 3, as in `celeba_files`; a split's images lie in so many files, one after another."""
    for index, split in enumerate(SPLITS):
        rows = np.arange(index, len(values), 3)
        for shard, part in enumerate(np.array_split(rows, num_shards)):
            path = folder / (name.format(split=split, shard=shard, num_shards=num_shards) + ".parquet")
            write_parquet(path, make(values, images, part))
