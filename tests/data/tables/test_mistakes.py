"""What a mistake in a table gets: one sentence that says what is wrong, where, and what to do."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from mtl.config import read_data
from mtl.data.load import load_pack
from mtl.data.tables.entries import parse_entries
from mtl.data.tables.images import find_image_column
from mtl.data.tables.text import read_text
from mtl.errors import UserError
from tests.data.tables.files import ROWS, columns, read, write_images, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    write_images(folder, columns()["file"])
    return folder


def refused(folder: Path, changed: dict[str, list[str]], tasks: Sequence[str] = (), **options: str) -> str:
    path = write_table(folder / "labels.csv", columns() | changed, options.get("delimiter", ","))
    roles = ("", options.get("split", ""), options.get("group", ""))
    with pytest.raises(UserError) as error:
        read(path, tasks, roles=roles)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


def test_a_column_that_is_not_there(folder: Path) -> None:
    assert "has no column 'smilng': did you mean smiling" in refused(folder, {}, ("smilng",))
    assert "did you mean person" in refused(folder, {}, group="persn")
    assert "did you mean hair" in refused(folder, {}, ("Hair=hiar|smiling",))


def test_paths_that_are_not_there(folder: Path) -> None:
    files = [name.replace("1", "x") for name in columns()["file"]]
    assert "13 of the 40 images" in (sentence := refused(folder, {"file": files}))
    assert "(00x.png, 0x0.png, 0xx.png, ...)" in sentence


@pytest.mark.parametrize("path", ["../000.png", "a/../../000.png", "/etc/passwd", "..\\000.png"])
def test_a_path_that_leads_out_of_the_folder(folder: Path, path: str) -> None:
    files = [path, *columns()["file"][1:]]
    assert f"has the path {path!r}, which leads out of" in refused(folder, {"file": files})


def test_one_value_only(folder: Path) -> None:
    assert "no task in the column same (one value only)" in refused(folder, {"same": ["x"] * ROWS}, ("same",))
    split = ["train" if row < 30 else ("val", "test")[row % 2] for row in range(ROWS)]
    late = {"late": ["yes" if row == 35 else "no" for row in range(ROWS)], "split": split}
    assert "late is the same in all training images (absent)" in refused(folder, late, ("late",), group="none")
    level = {"level": ["2.5" if row < 30 else "3.5" for row in range(ROWS)], "split": split}
    assert "level is the same in all training images (2.5)" in refused(
        folder, level, ("level=regression",), group="none"
    )
    gap = {"gap": [str(row % 2) if row < 30 else "" for row in range(ROWS)], "split": split}
    assert "gap has no label in the valid split" in refused(folder, gap, ("gap",), group="none")


def test_a_class_that_training_never_saw(folder: Path) -> None:
    split = ["train" if row < 30 else ("val", "test")[row % 2] for row in range(ROWS)]
    hair = ["red" if row == 33 else ("black", "gray")[row % 2] for row in range(ROWS)]
    sentence = refused(folder, {"hair": hair, "split": split}, ("hair",), group="none")
    assert "hair has classes in the test split that no training image has (red)" in sentence


def test_numbers_that_are_no_classes(folder: Path) -> None:
    num_rows = 201
    files = [f"{row}.png" for row in range(num_rows)]
    write_images(folder, files)
    made = {"file": files, "size": [str(row % 200) for row in range(num_rows)]}
    with pytest.raises(UserError, match=r"200 different numbers.*did you mean 'size=regression'\?"):
        read(write_table(folder / "many.csv", made), ("size=classes",))


@pytest.mark.parametrize(
    ("task", "cell", "words"),
    [
        ("age=regression", "inf", "'inf' in the column age of 005.png, where a finite number"),
        ("age", "-inf", "'-inf' in the column age of 005.png"),
        ("age=regression", "old", "'old' in the column age of 005.png"),
        ("smiling=binary", "perhaps", "'perhaps' in the column smiling of 005.png"),
        ("hair=classes:black|brown|gray", "red", "one of black, brown, gray should be"),
    ],
)
def test_a_cell_that_is_none_of_the_kind(folder: Path, task: str, cell: str, words: str) -> None:
    name = task.partition("=")[0]
    cells = columns()[name]
    cells[5] = cell
    assert words in refused(folder, {name: cells}, (task,))


def test_one_image_with_two_labels(folder: Path) -> None:
    files = columns()["file"]
    assert "has 000.png in two rows, with 'no' and with 'yes'" in refused(folder, {"file": [files[0], *files[:-1]]})


def test_a_group_in_two_splits(folder: Path) -> None:
    split = [("train", "train", "val", "test")[row % 4] for row in range(ROWS)]
    sentence = refused(folder, {"split": split})
    assert "10 of the 20 groups in person" in sentence
    assert "p1 in valid and test first" in sentence


def test_splits_that_are_none(folder: Path) -> None:
    split = ["train" if row else "holdout" for row in range(ROWS)]
    assert "'holdout' in the column split" in refused(folder, {"split": split})
    assert "no image of valid, test" in refused(folder, {"split": ["train"] * ROWS})


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_delimiter(folder: Path, delimiter: str, name: str) -> None:
    assert f"its first line has 4 {name}" in refused(folder, {}, delimiter=delimiter)


def test_another_encoding(folder: Path) -> None:
    hair = {"hair": ["grün", "blau"] * (ROWS // 2)}
    for encoding, words in (("cp1252", "byte 0xfc in line 2"), ("utf-16", "it begins as UTF-16 does")):
        path = write_table(folder / "other.csv", columns() | hair, encoding=encoding)
        with pytest.raises(UserError, match=f"is not in UTF-8 .{words}"):
            read(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("\n", "names no column"),
        ("file,smiling\n", "no row under"),
        ("file,smiling\n1.png\n", "row 2 of .* has 1 fields"),
        ("file,smiling,smiling\n1.png,1,1\n", "2 columns called 'smiling'"),
        ('file,smiling\n"1.png,1\n', "no whole CSV file"),
    ],
)
def test_what_is_no_table(folder: Path, text: str, words: str) -> None:
    (folder / "none.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        read_text(folder / "none.csv", folder)


def test_files_that_are_none(folder: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file"):
        read_text(folder / "nothing.csv", folder)
    with pytest.raises(UserError, match=r"must end with \.csv"):
        read_text(folder / "labels.xlsx", folder)


def test_no_column_of_images(folder: Path) -> None:
    made = columns()
    text = read_text(write_table(folder / "labels.csv", {"smiling": made["smiling"]}), folder)
    with pytest.raises(UserError, match=r"no column seems to be that of the images' paths"):
        find_image_column(text)
    two = {"left": made["file"], "right": made["file"]}
    with pytest.raises(UserError, match=r"the columns left, right may be that"):
        find_image_column(read_text(write_table(folder / "labels.csv", two), folder))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (("age=regresion",), "'regresion' is no kind, closest to regression"),
        (("age=regression:a|b",), "a regression has no names"),
        (("sex=binary:a|b|c",), "binary has two"),
        (("hair=classes:a",), "name two or more"),
        (("hair=classes:a|a",), "each once"),
        (("age", "age=regression"), "tasks has age 2 times"),
    ],
)
def test_entries_that_say_nothing(entries: Sequence[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_entries(entries)


def test_classes_are_not_made_of_classes(folder: Path) -> None:
    assert "hair has values of the kind classes" in refused(folder, {}, ("both=smiling|hair",))


def test_fields_that_are_not_set(config: ConfigDict) -> None:
    config.data.name = "table"
    with pytest.raises(UserError, match="table is not set") as error:
        load_pack(read_data(config))
    assert error.value.argument == "table"
    config.data.tasks = ("age=number",)
    with pytest.raises(UserError, match="no kind"):
        read_data(config)
