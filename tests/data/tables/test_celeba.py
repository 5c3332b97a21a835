"""CelebA is one table among others: through a CSV it gives the bits that its own reader gives."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.config import read_data
from mtl.data.fingerprint import fingerprint
from mtl.data.load import describe_columns, load_pack, load_table, load_tasks
from mtl.data.table import Table
from mtl.errors import UserError
from mtl.kinds import BINARY, Kind
from tests.data import celeba_files

REAL = Path(__file__).parents[3] / "../shared/data/celeba"
HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
OTHERS = ("Smiling", "Male", "Arched_Eyebrows", "Wearing_Earrings", "Wavy_Hair", "5_o_Clock_Shadow", "Young")


def as_csv(path: Path, table: Table) -> Path:
    """What CelebA's own reader reads, as anybody would write it."""
    cells = np.where(table.mask, np.where(table.labels, "1", "-1"), "")
    people = ["" if person < 0 else str(person) for person in table.identity.tolist()]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "partition", "identity", *table.attributes])
        first = zip(table.ids.tolist(), table.split.tolist(), people, strict=True)
        writer.writerows([*each, *row] for each, row in zip(first, cells.tolist(), strict=True))
    return path


def settings(config: ConfigDict, root: Path, cache: Path, **fields: Any) -> Any:
    config.data.update({"name": "celeba", "root": str(root), "cache": str(cache), "image_size": 8, **fields})
    return read_data(config)


def check_same(config: ConfigDict, root: Path, folder: Path, attributes: tuple[str, ...]) -> None:
    own = settings(config, root, folder / "cache", attributes=attributes)
    path = as_csv(folder / "labels.csv", load_table(own))
    images = {"name": "table", "table": str(path), "tasks": attributes}
    packs = [load_pack(own), load_pack(settings(config, root / "img_align_celeba", folder / "cache", **images))]
    for name, one, other in zip(Table._fields, packs[0].table, packs[1].table, strict=True):
        same = np.array_equal(one, other) and one.dtype == other.dtype if name in Table._fields[2:6] else True
        assert same if isinstance(one, np.ndarray) else one == other, name
    assert packs[0].table.ids.tolist() == packs[1].table.ids.tolist()
    assert fingerprint(packs[0]) == fingerprint(packs[1])
    assert np.array_equal(packs[0].images_NCHW, packs[1].images_NCHW)
    assert len([*(folder / "cache").glob("*/images.npy")]) == 1  # of the same files and names: one pack


def test_the_same_table_and_pack(config: ConfigDict, tmp_path: Path) -> None:
    celeba_files.write_txt(tmp_path, np.repeat(celeba_files.make_values(30), 2, axis=0)[:, ::-1])
    lists = (tmp_path / "identity_CelebA.txt").read_text().splitlines()
    people = [f"{line.split()[0]} {row % 3 + 4}" for row, line in enumerate(lists)]  # each person in one split
    celeba_files.write(tmp_path / "identity_CelebA.txt", people, "\r\n")
    celeba_files.write_images(tmp_path / "img_align_celeba", 60)
    check_same(config, tmp_path, tmp_path, ("Male", "Bald"))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real images are not here")
def test_the_same_table_of_the_real_files(config: ConfigDict, tmp_path: Path) -> None:
    own = settings(config, REAL, tmp_path)
    whole = load_table(own)
    path = as_csv(tmp_path / "labels.csv", whole)
    images = whole.source.path
    table = load_tasks(settings(config, images, tmp_path, name="table", table=str(path), tasks=whole.attributes))
    assert table.attributes == whole.attributes and table.kinds == whole.kinds == (BINARY,) * 40
    for one, other in zip(whole[2:6], table[2:6], strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)
    assert table.source == whole.source and table.ids.tolist() == whole.ids.tolist()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real images are not here")
def test_hair_is_one_task_of_four_classes(config: ConfigDict, tmp_path: Path) -> None:
    data = settings(config, REAL, tmp_path, tasks=(f"Hair={'|'.join(HAIR)}", *OTHERS))
    whole, table = load_table(data), load_tasks(data)
    assert table.attributes == ("Hair", *OTHERS)
    assert table.kinds == (Kind("classes", HAIR), *(BINARY,) * 7)
    hair = whole.labels[:, [whole.attributes.index(name) for name in HAIR]]
    one = hair.sum(axis=1) == 1
    assert np.array_equal(table.mask[:, 0], one)
    assert np.array_equal(table.labels[one, 0], hair[one].argmax(axis=1))
    for name in OTHERS:
        k = whole.attributes.index(name)
        assert np.array_equal(table.labels[:, table.attributes.index(name)], whole.labels[:, k])
    listed = describe_columns(data)
    assert f"| Hair | yes | classes | Black_Hair {hair[one & (whole.split == 0), 0].mean():.1%}" in listed
    assert listed.count("| yes |") == 8


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        (("Hair=x|b",), "there is no attribute 'x'"),
        (("b=classes",), "b is classes, and it is binary here"),
        (("d",), "there is no attribute 'd'"),
    ],
)
def test_tasks_that_attributes_do_not_give(config: ConfigDict, tasks: tuple[str, ...], words: str) -> None:
    config.data.tasks = tasks
    with pytest.raises(UserError, match=words):
        load_tasks(read_data(config))


def test_tasks_stand_in_place_of_attributes(config: ConfigDict) -> None:
    config.data.tasks = ("one=a|b|c", "c=binary:no|yes")
    table = load_tasks(read_data(config))
    assert table.attributes == ("one", "c")
    assert table.kinds == (Kind("classes", ("a", "b", "c")), Kind("binary", ("no", "yes")))
