"""CelebA in the layouts that the hub has: the same table and the same pack as of CelebA's own files."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.config import read_data
from mtl.data import decoding
from mtl.data.attributes import attributes_table
from mtl.data.celeba import read_table
from mtl.data.fingerprint import fingerprint
from mtl.data.image_files import reader
from mtl.data.load import load_pack, load_table
from mtl.data.pack import open_pack
from mtl.data.parquet import images as parquet_images
from mtl.data.parquet.files import find_files
from mtl.data.parquet.table import read_parquet
from mtl.data.published import PUBLISHED
from mtl.data.table import SPLITS, Table
from mtl.errors import UserError
from tests.data.celeba_files import NAMES, make_ids, make_jpeg, make_values, write, write_images, write_txt

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install -e '.[parquet]'")  # before what needs it
from tests.data.parquet_files import bare_rows, flower_rows, nested_rows, pa, signed_rows, write_parquet, write_shards

NUM = 23
VALUES = make_values(NUM)
IMAGES = [make_jpeg(row) for row in range(NUM)]
HASHED = "data/{split}-{shard:05d}-of-{num_shards:05d}-0123456789abcdef"


@pytest.fixture(autouse=True)
def few_rows_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_images, "BATCH", 2)
    monkeypatch.setattr(decoding, "CHUNK", 5)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("official")
    write_txt(root, VALUES)
    write_images(root / "img_align_celeba", NUM)
    return root


def read(root: Path) -> Table:
    return read_parquet(root, find_files(root))


def one_file(root: Path, make: Callable[..., dict[str, Any]]) -> None:
    write_parquet(root / "all.parquet", make(VALUES, IMAGES, np.arange(NUM)))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "flower": lambda root: write_shards(root / "img_align+identity+attr", VALUES, IMAGES, flower_rows, num_shards=3),
    "converted": lambda root: write_shards(root, VALUES, IMAGES, flower_rows, "default/{split}/{shard:04d}", 2),
    "signed, with a digest": lambda root: write_shards(root, VALUES, IMAGES, signed_rows, HASHED, 2),
    "one file": lambda root: one_file(root, bare_rows),
    "nested": lambda root: write_shards(root, VALUES, IMAGES, nested_rows, "celeba_{split}"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_table_and_the_pack_of_celebas_own_files(
    layout: str, official: Path, tmp_path: Path
) -> None:
    LAYOUTS[layout](tmp_path)
    table, expected = read(tmp_path), read_table(official)
    for field in ("ids", "labels", "mask", "split"):
        np.testing.assert_array_equal(getattr(table, field), getattr(expected, field), err_msg=field)
        assert getattr(table, field).dtype == getattr(expected, field).dtype
    assert table.attributes == expected.attributes
    people = expected.identity if layout in ("flower", "converted", "nested") else np.full(NUM, -1)
    np.testing.assert_array_equal(table.identity, people)
    packs = [open_pack(each, 8, "full", tmp_path / "cache") for each in (table, expected)]
    assert packs[0].images_NCHW.tobytes() == packs[1].images_NCHW.tobytes()
    if (people >= 0).all():
        assert fingerprint(packs[0]) == fingerprint(packs[1])


def test_a_list_of_all_labels_is_in_celebas_order(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2, (NUM, 40))

    def listed_rows(_: np.ndarray, images: list[bytes], rows: np.ndarray) -> dict[str, Any]:
        return {"image": [images[row] for row in rows], "attributes": values[rows].tolist(), "identity": rows}

    write_shards(tmp_path, VALUES, IMAGES, listed_rows, "data/{split}-{shard:05d}-of-{num_shards:05d}", 2)
    table = read(tmp_path)
    order = [row for index in range(3) for row in range(index, NUM, 3)]
    assert table.attributes == tuple(PUBLISHED)
    np.testing.assert_array_equal(table.labels, values[order] == 1)
    np.testing.assert_array_equal(table.identity, order)
    assert table.ids[[0, 8, -1]].tolist() == ["train_000000", "valid_000000", "test_000006"]


def test_a_missing_label_is_null(tmp_path: Path) -> None:
    values = make_values(NUM, num_missing=5)
    write_shards(tmp_path, values, IMAGES, signed_rows)
    table = read(tmp_path)
    np.testing.assert_array_equal(table.mask, values != 0)
    np.testing.assert_array_equal(table.labels, values == 1)


def test_images_that_are_not_in_the_order_of_their_names_stay_where_they_are(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(NUM)
    write_parquet(tmp_path / "all.parquet", bare_rows(VALUES, IMAGES, order))
    table = read(tmp_path)
    assert table.ids.tolist() == [make_ids(NUM)[row] for row in order]
    np.testing.assert_array_equal(table.labels, VALUES[order] == 1)


def test_images_are_read_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_images, "MAX_OPEN", 2)
    write_shards(tmp_path, VALUES, IMAGES, flower_rows, num_shards=2)
    read_one = reader(read(tmp_path).source)
    for row in np.random.default_rng(0).integers(0, NUM, 100).tolist():
        assert read_one(make_ids(NUM)[row]) == IMAGES[row]


def test_each_row_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path, VALUES, IMAGES, flower_rows, num_shards=3)
    table, batches = read(tmp_path), []
    leaf = parquet_images.leaf
    monkeypatch.setattr(parquet_images, "leaf", lambda *given: batches.append(len(given[0])) or leaf(*given))
    open_pack(table, 8, "full", tmp_path / "cache")
    assert sum(batches) == NUM and max(batches) == 2


def test_a_bad_image_is_named_or_skipped(tmp_path: Path) -> None:
    images = [*IMAGES]
    images[4], images[7] = IMAGES[4][:-30], b""
    write_shards(tmp_path, VALUES, images, flower_rows)
    table = read(tmp_path)
    where = re.escape(f"000005.jpg of {tmp_path}/valid-00000-of-00001.parquet cannot be decoded")
    with pytest.raises(UserError, match=where):
        open_pack(table, 8, "full", tmp_path / "cache")
    pack = open_pack(table, 8, "full", tmp_path / "cache", on_bad_image="skip")
    assert pack.skipped == ("000005.jpg", "000008.jpg")
    assert len(pack.images_NCHW) == NUM - 2


def test_the_command_finds_them(config: ConfigDict, tmp_path: Path, official: Path) -> None:
    LAYOUTS["flower"](tmp_path / "hub")
    digests = []
    for root in (tmp_path / "hub", official):
        config.data.update({"name": "celeba", "root": str(root), "attributes": ("Smiling", "Male"), "image_size": 8})
        config.data.cache = str(tmp_path / "cache")
        settings = read_data(config)
        digests.append(fingerprint(load_pack(settings)))
        assert attributes_table(load_table(settings), ["Male"]).count("| yes |") == 1
    assert digests[0] == digests[1]


def test_lists_come_first(config: ConfigDict, tmp_path: Path) -> None:
    write_txt(tmp_path, VALUES)
    write_images(tmp_path / "img_align_celeba", NUM)
    LAYOUTS["flower"](tmp_path)
    config.data.update({"name": "celeba", "root": str(tmp_path)})
    assert load_table(read_data(config)).source == (tmp_path / "img_align_celeba", "")


def change(**columns: Any) -> Callable[[Path], None]:
    """Other columns in the test split's file; one that is None is left out."""

    return lambda root: write_spoilt(root, "test", columns)


def everywhere(**columns: Any) -> Callable[[Path], None]:
    """Other columns in all files."""

    def write_all(root: Path) -> None:
        for split in SPLITS:
            write_spoilt(root, split, columns)

    return write_all


def write_spoilt(root: Path, split: str, columns: dict[str, Any]) -> None:
    rows = flower_rows(VALUES, IMAGES, np.arange(SPLITS.index(split), 21, 3)) | columns
    left = {name: column for name, column in rows.items() if column is not None}
    write_parquet(root / f"{split}-00000-of-00001.parquet", left)


def cut(root: Path) -> None:
    path = root / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def rename(old: str, new: str) -> Callable[[Path], None]:
    return lambda root: shutil.move(root / f"{old}.parquet", root / f"{new}.parquet")


MISTAKES = {
    "cut": (cut, r"train-00000-of-00001.parquet is not a whole parquet file \(.*\): download it again"),
    "a web page": (
        lambda root: write(root / "test-00000-of-00001.parquet", ["<html></html>"], "\n"),
        r"test-00000-of-00001.parquet is not a whole parquet file",
    ),
    "a pointer": (
        lambda root: write(root / "test-00000-of-00001.parquet", ["version https://git-lfs.github.com/spec/v1"], "\n"),
        r"test-00000-of-00001.parquet only says where Git LFS keeps the file: run git lfs pull",
    ),
    "an image column by another name and type": (
        everywhere(image=None, imgae=["a"] * 7),
        r"has no images, which are a column of bytes such as image: of its columns those closest to that are imgae,",
    ),
    "no label": (
        everywhere(**dict.fromkeys(NAMES), smilling_face=[1] * 7),
        r"has no column of an attribute such as Smiling, .*: of its columns .* smilling_face",
    ),
    "a column lacks in one": (
        change(Smiling=None, Smiled=[True] * 7),
        r"test-00000-of-00001.parquet has no column Smiling, which train-00000-of-00001.parquet has; closest to it are "
        r"Smiled,",
    ),
    "two kinds of labels": (
        everywhere(Male=[1, -1] * 3 + [1]),
        r"has two kinds of labels, -1 \(Male in train-.*\) and 0 or false \(\w+ in \S+\): absent",
    ),
    "another label": (change(Male=[1, 0, 2, 0, 1, 1, 1]), r"row 2 of .*test-\S+ has 2 as its label of Male, where"),
    "a text as label": (change(Male=["man"] * 7), r"test-\S+ has string in the column Male, where numbers should be"),
    "a person by name": (change(celeb_id=["Jo"] * 7), r"has string in the column celeb_id, where numbers should be"),
    "half a person": (change(celeb_id=[0.5] * 7), r"row 0 of \S+ has 0.5 in the column celeb_id, where the number of"),
    "no split": (rename("test-00000-of-00001", "more"), r"more.parquet does not say of which split it is"),
    "a split lacks": (
        lambda root: (root / "test-00000-of-00001.parquet").unlink(),
        r"has no image of the test split: each split needs some",
    ),
    "another split": (
        everywhere(split=["train"] * 6 + ["holdout"]),
        r"row 6 of \S+ has 'holdout' in the column split, where train, valid or test",
    ),
    "a name twice": (
        everywhere(image_id=["1.jpg"] * 7),
        r"has 1.jpg 21 times in the column image_id: a file may be there twice",
    ),
    "shards lack": (
        rename("train-00000-of-00001", "train-00001-of-00004"),
        r"lacks 3 of the 4 shards that train-00001-of-00004.parquet is of, number 0 first: download",
    ),
    "a shard twice": (
        lambda root: shutil.copy(root / "train-00000-of-00001.parquet", root / "train-00000-of-00001 (1).parquet"),
        r"train-00000-of-00001 \(1\).parquet is not one of the 1 shards that train-00000-of-00001.parquet is of",
    ),
    "two data sets": (
        lambda root: shutil.copytree(root, root / "other"),
        r"there are parquet files in \S+ and in \S+/other: set root to one of them",
    ),
    "names alone": (
        everywhere(
            image=pa.array(
                [{"path": f"{row}.jpg"} for row in range(7)], pa.struct({"bytes": pa.binary(), "path": pa.string()})
            )
        ),
        r"has the names of its images and not the images",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence(mistake: str, tmp_path: Path) -> None:
    spoil, message = MISTAKES[mistake]
    write_shards(tmp_path, VALUES[:21], IMAGES[:21], flower_rows)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_list_of_other_length_gets_one_sentence(tmp_path: Path) -> None:
    rows = {"image": IMAGES[:3], "attributes": [[1] * 40, [1] * 39, None], "split": ["train", "valid", "test"]}
    write_parquet(tmp_path / "0.parquet", rows)
    with pytest.raises(UserError, match=r"row 1 of \S+ has 39 labels in attributes, where 40 should be"):
        read(tmp_path)


def test_images_that_were_damaged_get_one_sentence(tmp_path: Path) -> None:
    one_file(tmp_path, bare_rows)
    table, path = read(tmp_path), tmp_path / "all.parquet"
    data = path.read_bytes()
    place = data.index(IMAGES[9][:20])
    path.write_bytes(data[: place - 40] + b"\xff" * 40 + data[place:])
    with pytest.raises(UserError, match=r"all.parquet is not a whole parquet file"):
        open_pack(table, 8, "full", tmp_path / "cache")


def test_a_file_that_may_not_be_read_is_not_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"train.parquet cannot be read \(No such file or directory\)"):
        read(tmp_path)


def test_without_pyarrow_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LAYOUTS["flower"](tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"read with pyarrow, which is not installed: .* install -e '.\[parquet\]'"):
        read(tmp_path)
