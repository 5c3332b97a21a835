"""From the configuration to a pack, for both kinds of data, and what a mistake in it gets."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.config import read_data
from mtl.data import faces
from mtl.data.load import chosen_attributes, load_pack, load_table
from mtl.errors import UserError
from mtl.record import locks
from tests.tiny import TASKS, write_celeba


def test_drawn_faces_are_drawn_once(config: ConfigDict, tmp_path: Path) -> None:
    config.data.update(
        {"name": "faces", "root": str(tmp_path / "faces"), "num_faces": 12, "attributes": ("Smiling", "Male")}
    )
    pack = load_pack(read_data(config))
    assert pack.images_NCHW.shape == (12, 3, 8, 8)
    assert pack.table.attributes == ("Smiling", "Male")
    assert set(pack.table.split) == {0, 1, 2}
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").rglob("*.jpg")}
    again = load_pack(read_data(config))
    assert np.array_equal(again.images_NCHW, pack.images_NCHW)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").rglob("*.jpg")}


def test_who_wants_faces_that_are_being_drawn_waits(
    config: ConfigDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.data.update({"name": "faces", "root": str(tmp_path / "faces"), "num_faces": 12, "num_workers": 1})
    waits, draws, tables, draw = threading.Event(), [], [], faces._draw_files
    second = threading.Thread(target=lambda: tables.append(load_table(read_data(config))))
    read_holder = locks._read_holder

    def draw_slowly(*arguments: Any) -> int:
        draws.append(arguments)
        second.start()
        assert waits.wait(60), "the second did not meet the first"
        return draw(*arguments)

    monkeypatch.setattr(locks, "_read_holder", lambda path: waits.set() or read_holder(path))
    monkeypatch.setattr(faces, "_draw_files", draw_slowly)
    first = load_table(read_data(config))
    second.join()
    assert len(draws) == 1
    assert np.array_equal(first.labels, tables[0].labels)
    assert len(list((tmp_path / "faces").iterdir())) == 1


def test_attributes_by_name_or_all(config: ConfigDict) -> None:
    table = load_table(read_data(config))
    config.data.attributes = ("all",)
    assert chosen_attributes(read_data(config), table) == TASKS
    config.data.attributes = ("c,a",)
    assert chosen_attributes(read_data(config), table) == ("c", "a")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "imagenet"}, "choose one of faces, celeba"),
        ({"name": "celeba", "root": ""}, r"--config\.data\.root=DIR"),
        ({"name": "faces", "num_faces": 5}, "num_faces is 5; choose a whole number in"),
        ({"name": "faces", "label_noise": 2.0}, "label_noise is 2.0; choose a finite number in"),
    ],
)
def test_mistakes(config: ConfigDict, fields: dict[str, Any], message: str) -> None:
    config.data.update(fields)
    with pytest.raises(UserError, match=message):
        load_pack(read_data(config))


@pytest.mark.parametrize(("split", "code"), [("train", "0"), ("valid", "1"), ("test", "2")])
def test_a_split_without_any_label_is_refused(config: ConfigDict, tmp_path: Path, split: str, code: str) -> None:
    root = write_celeba(tmp_path / "files")
    codes = [line.split()[1] for line in (root / "list_eval_partition.txt").read_text().splitlines()]
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()
    rows = [f"{line.split()[0]} 0 0 0" if of == code else line for line, of in zip(lines[2:], codes, strict=True)]
    (root / "list_attr_celeba.txt").write_text("\n".join([*lines[:2], *rows]))
    config.data.update({"root": str(root), "cache": str(tmp_path / "cache")})
    with pytest.raises(UserError, match=f"no label of a, b, c is known in the {split} split, so nothing can be"):
        load_pack(read_data(config))
