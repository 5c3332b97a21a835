"""A fingerprint changes with the part of the data that changed, and a difference is put into words."""

from pathlib import Path

import numpy as np
import pytest

from mtl.data.fingerprint import PARTS, differences, fingerprint
from mtl.data.image_files import ImageSource
from mtl.data.pack import Pack, digest_pixels
from mtl.data.table import Table
from mtl.kinds import BINARY

NUM = 10


def make_pack() -> Pack:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (NUM, 3, 4, 4), dtype=np.uint8)
    table = Table(
        np.array([f"{row}.jpg" for row in range(NUM)]),
        ImageSource(Path("images"), ""),
        generator.random((NUM, 2)) < 0.5,
        np.ones((NUM, 2), dtype=bool),
        np.array([0] * 6 + [1] * 2 + [2] * 2, dtype=np.int8),
        np.arange(NUM, dtype=np.int32),
        ("a", "b"),
        (BINARY,) * 2,
    )
    return Pack(images, table, (), digest_pixels(images))


def change(pack: Pack, field: str, row: int) -> Pack:
    """The pack with one value changed in `row`."""
    if field == "images":
        images = pack.images_NCHW.copy()
        images[row, 0, 0, 0] ^= 1
        return pack._replace(images_NCHW=images, digest=digest_pixels(images))
    values = getattr(pack.table, field).copy()
    new = {"ids": "x.jpg", "split": 0}
    values[row] = new[field] if field in new else ~values[row]
    return pack._replace(table=pack.table._replace(**{field: values}))


@pytest.mark.parametrize(
    ("field", "row", "changed", "words"),
    [
        ("images", 9, {"pixels"}, ["the pixels"]),
        ("ids", 0, {"ids"}, ["the images (6 + 2 + 2 then, 6 + 2 + 2 now)"]),
        ("labels", 5, {"labels_train"}, ["the labels of the training split"]),
        ("mask", 5, {"labels_train"}, ["the labels of the training split"]),
        ("labels", 6, {"labels_valid"}, ["the labels of the validation split"]),
        ("mask", 9, {"labels_test"}, ["the labels of the test split"]),
        (
            "split",
            6,
            {"num_images", "split", "labels_train", "labels_valid"},
            ["which images belong to which split (6 + 2 + 2 then, 7 + 1 + 2 now)"],
        ),
    ],
)
def test_a_change_is_named(field: str, row: int, changed: set[str], words: list[str]) -> None:
    before, now = fingerprint(make_pack()), fingerprint(change(make_pack(), field, row))
    assert before.keys() == {"num_images", *PARTS}
    assert {name for name in before if before[name] != now[name]} == changed
    assert differences(before, now, set()) == words


def test_the_same_data_have_the_same() -> None:
    assert fingerprint(make_pack()) == fingerprint(make_pack())
    pack = make_pack()
    hidden = pack.table.mask.copy()
    hidden[3] = False
    table = pack.table._replace(mask=hidden)
    unknown = table._replace(labels=table.labels ^ ~hidden)
    assert fingerprint(pack._replace(table=unknown)) == fingerprint(pack._replace(table=table)), (
        "what is hidden is not seen"
    )


def test_labels_go_with_their_attributes() -> None:
    pack = make_pack()
    renamed = pack._replace(table=pack.table._replace(attributes=("b", "a")))
    assert len(differences(fingerprint(pack), fingerprint(renamed), set())) == 3


def test_order_counts() -> None:
    pack = make_pack()
    turned = pack._replace(table=pack.table._replace(ids=pack.table.ids[::-1]))
    assert differences(fingerprint(pack), fingerprint(turned), set()) != []


def test_runs_of_other_settings_may_differ_in_what_follows_from_these() -> None:
    before = fingerprint(make_pack())
    now = fingerprint(change(change(make_pack(), "images", 0), "mask", 0))
    assert differences(before, now, {"label_fractions"}) == ["the pixels"]
    assert differences(before, now, {"image_size", "flip"}) == ["the labels of the training split"]
    assert differences(before, now, {"root"}) == []
