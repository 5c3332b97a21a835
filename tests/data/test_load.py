"""From the configuration to a pack, for both kinds of data, and what a mistake in it gets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.data.load import chosen_attributes, load_pack, load_table
from mtl.errors import UserError
from tests.tiny import TASKS


def test_drawn_faces_are_drawn_once(config: ConfigDict, tmp_path: Path) -> None:
    config.data.update(
        {"name": "faces", "root": str(tmp_path / "faces"), "num_faces": 12, "attributes": ("Smiling", "Male")}
    )
    pack = load_pack(config.data)
    assert pack.images_NCHW.shape == (12, 3, 8, 8)
    assert pack.table.attributes == ("Smiling", "Male")
    assert set(pack.table.split) == {0, 1, 2}
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").rglob("*.jpg")}
    again = load_pack(config.data)
    assert np.array_equal(again.images_NCHW, pack.images_NCHW)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").rglob("*.jpg")}


def test_attributes_by_name_or_all(config: ConfigDict) -> None:
    table = load_table(config.data)
    config.data.attributes = ("all",)
    assert chosen_attributes(config.data, table) == TASKS
    config.data.attributes = ("c,a",)
    assert chosen_attributes(config.data, table) == ("c", "a")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "imagenet"}, "choose faces or celeba"),
        ({"name": "celeba", "root": ""}, r"--config\.data\.root=DIR"),
        ({"name": "faces", "num_faces": 5}, "draw at least 10"),
        ({"name": "faces", "label_noise": 2.0}, "must lie in"),
    ],
)
def test_mistakes(config: ConfigDict, fields: dict[str, Any], message: str) -> None:
    config.data.update(fields)
    with pytest.raises(UserError, match=message):
        load_pack(config.data)
