"""Data sets that people have, from files written in their official layouts."""

import random
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.config import read_data
from mtl.data.load import load_tasks
from mtl.data.tables.fairface import AGES, LISTS, RACES, read_fairface
from mtl.data.tables.mtfl import LANDMARKS, POSES, read_mtfl
from mtl.data.tables.omniglot import read_omniglot
from mtl.data.tables.sources import READERS
from mtl.data.tables.utkface import read_utkface
from mtl.errors import UserError
from tests.data.tables.files import finish, values, write_images, write_table


def write_fairface(root: Path) -> None:
    for split, num_rows in (("train", 45), ("val", 18)):
        files = [f"{split}/{row + 1}.jpg" for row in range(num_rows)]
        write_images(root / "fairface-img-margin025-trainval", files)
        made = {
            "file": files,
            "age": [AGES[row % 9] for row in range(num_rows)],
            "gender": [("Male", "Female")[row % 2] for row in range(num_rows)],
            "race": [RACES[row % 7] for row in range(num_rows)],
            "service_test": [str(bool(row % 3)) for row in range(num_rows)],
        }
        write_table(root / f"fairface_label_{split}.csv", made)


def test_fairface(tmp_path: Path) -> None:
    write_fairface(tmp_path)
    table = finish(text := read_fairface(tmp_path), text.tasks)
    assert table.attributes == ("age", "gender", "race")
    assert [kind.name for kind in table.kinds] == ["classes", "binary", "classes"]
    assert table.kinds[0].classes == AGES
    assert table.ids[45] == "val/1.jpg"
    assert (table.split[45:] == 2).all()
    assert values(table, "gender")[:3].tolist() == [0, 1, 0]  # female is what is present
    (tmp_path / LISTS["valid"]).unlink()
    with pytest.raises(UserError, match=r"fairface_label_val\.csv is not there"):
        read_fairface(tmp_path)


def test_utkface(tmp_path: Path) -> None:
    names = [f"{5 + row * 3}_{row % 2}_{row % 5}_2017010915{row:07d}.jpg.chip.jpg" for row in range(36)]
    odd = ["61_1_20170109150557335.jpg.chip.jpg", "53__0_20170116184028385.jpg", "200_0_1_20170109150557335.jpg"]
    write_images(tmp_path / "part1", names)
    write_images(tmp_path / "part2", odd)
    table = finish(text := read_utkface(tmp_path), text.tasks)
    assert [kind.name for kind in table.kinds] == ["regression", "binary", "classes"]
    row_of = {name.rpartition("/")[2]: row for row, name in enumerate(table.ids.tolist())}
    ages, genders, races = (values(table, name) for name in ("age", "gender", "race"))
    rows = [row_of[name] for name in names]
    assert ages[rows] == pytest.approx([5 + row * 3 for row in range(36)], rel=1e-5)
    assert genders[rows].tolist() == [row % 2 for row in range(36)]
    assert races[rows].tolist() == [row % 5 for row in range(36)]
    no_race, no_gender, no_age = (row_of[name] for name in odd)
    assert np.isnan([races[no_race], genders[no_gender], ages[no_age]]).all()
    assert genders[no_race] == 1
    with pytest.raises(UserError, match="has no images called"):
        read_utkface(tmp_path / "part3")


def write_mtfl(root: Path) -> None:
    """Pictures of 40 x 20 pixels; points as readme.txt has them, x of all five before y."""
    generator = random.Random(0)
    for name, folder, num_rows in (("training.txt", "lfw_5590", 30), ("testing.txt", "AFLW", 10)):
        files = [f"{row}-image.jpg" for row in range(num_rows)]
        write_images(root / folder, files, (40, 20))
        lines = []
        for row, file in enumerate(files):
            points = [f"{generator.uniform(0, size):.6f}" for size in [40] * 5 + [20] * 5]
            codes = [str(row % 2 + 1), str(row // 2 % 2 + 1), str((row % 3 == 0) + 1), str(row % 5 + 1)]
            lines.append(" ".join([f"{folder}\\{file}", *points, *codes]))
        (root / name).write_text("\n ".join(lines) + "\n \n")


def test_mtfl(tmp_path: Path) -> None:
    write_mtfl(tmp_path)
    table = finish(text := read_mtfl(tmp_path), text.tasks)
    assert table.attributes == ("gender", "smile", "glasses", "pose", *LANDMARKS)
    assert table.kinds[3].classes == POSES
    fields = (tmp_path / "training.txt").read_text().split()
    assert values(table, "left_eye_x")[0] == pytest.approx(float(fields[1]) / 40, abs=1e-5)
    assert values(table, "right_mouth_y")[0] == pytest.approx(float(fields[10]) / 20, abs=1e-5)
    assert values(table, "gender")[:3].tolist() == [0, 1, 0]  # 1 male, 2 female
    assert values(table, "smile")[:3].tolist() == [1, 1, 0]  # 1 smiling, 2 not
    assert table.ids[0] == "lfw_5590/0-image.jpg"
    assert (table.split[30:] == 2).all()
    (tmp_path / "training.txt").write_text("lfw_5590\\0-image.jpg 1 2 3\n")
    with pytest.raises(UserError, match=r"line 1 of .*training.txt has 4 fields, where 15 should be"):
        read_mtfl(tmp_path)


def write_omniglot(root: Path) -> None:
    number = 0
    for part, alphabet, num_characters in (
        ("images_background", "Balinese", 4),
        ("images_background", "Japanese_(hiragana)", 3),
        ("images_evaluation", "Tibetan", 2),
    ):
        for character in range(1, num_characters + 1):
            number += 1
            names = [f"character{character:02d}/{number:04d}_{drawer:02d}.png" for drawer in range(1, 21)]
            write_images(root / part / alphabet, names, (5, 5))


def test_omniglot(tmp_path: Path) -> None:
    write_omniglot(tmp_path)
    table = finish(text := read_omniglot(tmp_path), text.tasks)
    assert table.attributes == ("Balinese", "Japanese_(hiragana)", "Tibetan")
    assert [len(kind.classes) for kind in table.kinds] == [4, 3, 2]
    assert (table.mask.sum(axis=1) == 1).all()
    assert table.mask.sum(axis=0).tolist() == [80, 60, 40]
    assert table.kinds[0].classes[int(values(table, "Balinese")[79])] == "character04"
    drawers = [{*table.identity[table.split == split].tolist()} for split in range(3)]
    assert [len(drawers[split]) for split in range(3)] == [16, 2, 2]
    assert not drawers[0] & drawers[1] and not (drawers[0] | drawers[1]) & drawers[2]
    again = finish(text := read_omniglot(tmp_path / "images_evaluation"), text.tasks)
    assert again.attributes == ("Tibetan",)


def test_by_name_in_the_configuration(config: ConfigDict, tmp_path: Path) -> None:
    write_omniglot(tmp_path)
    config.data.update({"name": "omniglot", "root": str(tmp_path), "tasks": ("Tibetan=classes,Balinese",)})
    with pytest.raises(UserError, match="set flip to False"):  # a mirrored letter is another letter, or none
        load_tasks(read_data(config))
    config.data.flip = False
    assert load_tasks(read_data(config)).attributes == ("Tibetan", "Balinese")


@pytest.mark.parametrize("name", READERS)
def test_other_folders_are_refused(config: ConfigDict, tmp_path: Path, name: str) -> None:
    config.data.update({"name": name, "root": str(tmp_path), "flip": False})
    with pytest.raises(UserError, match="set root to"):
        load_tasks(read_data(config))
    config.data.root = ""
    with pytest.raises(UserError, match=f"{name}.*--config.data.root=DIR"):
        read_data(config)
