"""A table and a folder of images become the table that is trained on."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from mtl.data.pack import open_pack
from mtl.kinds import Kind
from tests.data.celeba_files import make_jpeg
from tests.data.tables.files import ROWS, columns, read, values, write_all, write_images, write_table


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("table"), columns())


def test_kinds_are_found(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = read(path)
    assert table.attributes == ("smiling", "hair", "age")
    smiling, hair, _ = table.kinds
    assert smiling == Kind("binary")
    assert hair == Kind("classes", ("black", "brown", "gray"))  # by frequency, then by letter
    known = (table.split == 0) & table.mask[:, 2]
    assert table.labels[known, 2].mean() == pytest.approx(0, abs=1e-6)
    assert table.labels[known, 2].std() == pytest.approx(1, abs=1e-6)
    assert values(table, "age")[10] == pytest.approx(25)
    assert [int(np.isnan(values(table, name)).argmax()) for name in table.attributes] == [4, 7, 9]
    assert table.labels.dtype == np.float32
    assert not table.labels[~table.mask].any()


def test_what_was_found_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_all(tmp_path, columns())
    for _ in range(2):
        read(path)
    said = capsys.readouterr().err
    assert said.count("drawn; no person in two of them") == 1
    for words in ("smiling: binary", "hair: 3 classes (black, brown, gray)", "age: regression", "file: no task"):
        assert words in said


def test_kinds_are_said(path: Path) -> None:
    table = read(path, ("hair=classes:gray|brown|black", "age=regression", "smiling=binary:yes|no"))
    assert table.attributes == ("hair", "age", "smiling")
    assert table.kinds[0].classes == ("gray", "brown", "black")
    assert table.kinds[2] == Kind("binary", ("yes", "no"))
    assert values(table, "smiling")[:3].tolist() == [1, 0, 0]
    assert values(table, "hair")[:4].tolist() == [1, 2, 0, 2]


@pytest.mark.parametrize(
    ("absent", "present"), [("-1", "1"), ("0", "1"), ("no", "yes"), ("False", "TRUE"), ("0.0", "1.0"), ("-1.0", "1")]
)
def test_binary_labels_are_written_in_many_ways(tmp_path: Path, absent: str, present: str) -> None:
    made = columns() | {"smiling": [present if row % 3 else absent for row in range(ROWS)]}
    table = read(write_all(tmp_path, made), ("smiling",))
    assert table.labels.dtype == bool
    assert table.labels[:, 0].tolist() == [bool(row % 3) for row in range(ROWS)]


def test_numbers_are_classes_where_they_are_few_and_whole(tmp_path: Path) -> None:
    made = columns() | {
        "pose": [str(row % 4) + ".0" for row in range(ROWS)],
        "years": [str(row % 30) for row in range(ROWS)],
        "row": [str(row) for row in range(ROWS)],
        "same": ["x"] * ROWS,
        "": [str(row) for row in range(ROWS)],
    }
    table = read(write_all(tmp_path, made))
    kinds = dict(zip(table.attributes, table.kinds, strict=True))
    assert kinds.keys() == {"smiling", "hair", "age", "pose", "years"}
    assert kinds["pose"].classes == ("0", "1", "2", "3")
    assert kinds["years"].name == "regression"


def test_one_task_of_binary_columns(tmp_path: Path) -> None:
    hair = columns()["hair"]
    made = columns() | {name: ["1" if cell == name else "-1" for cell in hair] for name in ("black", "brown", "gray")}
    made["gray"][0] = "1"  # brown, too
    table = read(write_all(tmp_path, made), ("Hair=black|brown|gray",))
    assert table.kinds == (Kind("classes", ("black", "brown", "gray")),)
    assert np.isnan(values(table, "Hair")[[0, 7]]).all()  # two of them, and none
    assert values(table, "Hair")[1:5].tolist() == [0, 2, 0, 1]


def test_formats_give_the_same_table(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    made = columns()
    write_table(path.with_name("bom.csv"), made, encoding="utf-8-sig")
    write_table(path.with_name("tabs.tsv"), made, "\t")
    typed = {"age": [float(cell) if cell else None for cell in made["age"]]}
    typed |= {"smiling": [cell == "yes" if cell else None for cell in made["smiling"]]}
    parquet.write_table(pyarrow.table({**made, **typed}), path.with_name("labels.parquet"))
    for name in ("bom.csv", "tabs.tsv", "labels.parquet"):
        for one, other in zip(read(path), read(path.with_name(name)), strict=True):
            assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


def test_a_split_that_is_told(tmp_path: Path) -> None:
    made = columns() | {"Partition": [("train", "training", "val", "2")[row // 2 % 4] for row in range(ROWS)]}
    table = read(write_all(tmp_path, made))
    assert table.split.tolist() == [(0, 0, 1, 2)[row // 2 % 4] for row in range(ROWS)]
    drawn = read(tmp_path / "labels.csv", roles=("", "none", ""))
    assert drawn.split.tolist() != table.split.tolist()


def test_two_splits_become_three(tmp_path: Path) -> None:
    made = columns() | {"split": ["train" if row < 30 else "val" for row in range(ROWS)]}
    split = read(write_all(tmp_path, made)).split
    assert (split[30:] == 2).all()
    assert {*split[:30].tolist()} == {0, 1}


def test_images_lie_in_root_or_beside_the_table_in_any_folder(tmp_path: Path) -> None:
    made = columns() | {"file": [f"{'ab'[row % 2]}/{row}.png" for row in range(ROWS)]}
    write_images(tmp_path / "images", made["file"])
    path = write_table(tmp_path / "lists" / "labels.csv", made)
    table = read(path, root=tmp_path / "images")
    assert table.source.path == tmp_path / "images"
    assert table.ids[1] == "b/1.png"
    spelled = made | {"file": [f".\\{name}".replace("/", "\\") for name in made["file"]]}
    again = read(write_table(tmp_path / "images" / "labels.csv", spelled), root=tmp_path / "nowhere")
    assert again.ids.tolist() == table.ids.tolist()
    absolute = made | {"file": [str(tmp_path / "images" / name) for name in made["file"]]}
    assert read(write_table(path, absolute), root=tmp_path / "images").ids.tolist() == table.ids.tolist()
    packs = [open_pack(each, 4, "square", tmp_path / "cache") for each in (table, again)]
    assert packs[0].images_NCHW.shape == (ROWS, 3, 4, 4)
    assert packs[0].images_NCHW[1, 0, 0, 0] == 20
    assert len(list((tmp_path / "cache").glob("*/images.npy"))) == 1


def test_images_in_a_zip(tmp_path: Path) -> None:
    flat, deep = columns(), columns() | {"file": [f"a/{name}" for name in columns()["file"]]}
    for name, made, inside in (("flat", flat, "images/"), ("deep", deep, "")):
        with ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for row, file in enumerate(made["file"]):
                archive.writestr(inside + file, make_jpeg(row))
        path = write_table(tmp_path / f"{name}.csv", made)
        table = read(path, root=tmp_path / f"{name}.zip")
        assert table.source == (tmp_path / f"{name}.zip", inside)
        assert open_pack(table, 4, "full", tmp_path / "cache").images_NCHW[5, 2].mean() == pytest.approx(100, abs=9)


def test_rows_that_say_the_same_are_read_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = {name: [*cells, cells[3]] for name, cells in columns().items()}
    assert len(read(write_table(path.with_name("twice.csv"), twice)).ids) == ROWS
    assert "1 rows twice" in capsys.readouterr().err
