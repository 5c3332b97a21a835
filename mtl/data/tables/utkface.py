"""UTKFace's files: more than 20,000 faces whose names are their labels: age, gender and race.

Layout: images called [age]_[gender]_[race]_[date and time].jpg, in one folder or, of those in the wild, in part1, part2
and part3. Age is a whole number from 0 to 116; gender is 0 for male and 1 for female; race is 0 to 4 for White, Black,
Asian, Indian and Others. So says the data set's own page, susanqq.github.io/UTKFace, as pages that quote it have it;
read 2026. A few names lack a label or have one out of its range, which is then missing.

There is no official split and no word on who is who, so the split is drawn.

Source: Zhang, Song and Qi, CVPR 2017, Age progression/regression by conditional adversarial autoencoder
"""

from pathlib import Path

from mtl.data.image_files import ENDINGS
from mtl.data.tables.text import TextTable
from mtl.errors import UserError

PARTS = ("part1", "part2", "part3")
GENDERS = ("male", "female")
RACES = ("White", "Black", "Asian", "Indian", "Others")
OLDEST = 116
TASKS = ("age=regression", f"gender=binary:{'|'.join(GENDERS)}", f"race=classes:{'|'.join(RACES)}")


def read_utkface(root: Path) -> TextTable:
    """A row for each image, its labels from its name.

    Raises:
      UserError: if there are no images with such names.
    """
    files = sorted(path for folder in (root, *(root / part for part in PARTS)) for path in folder.glob("*_*"))
    names = [path.relative_to(root).as_posix() for path in files if path.suffix.lower() in ENDINGS]
    if not names:
        raise UserError(
            f"{root} has no images called [age]_[gender]_[race]_[date].jpg, nor have its folders {', '.join(PARTS)}: "
            "set root to the folder of UTKFace's images",
            "root",
        )
    ages, genders, races = zip(*map(_labels, names), strict=True)
    columns = {"file": names, "age": [*ages], "gender": [*genders], "race": [*races]}
    return TextTable(root, (root,), columns, image="file", tasks=TASKS)


def _labels(name: str) -> tuple[str, str, str]:
    age, gender, race = (name.rpartition("/")[2].split("_") + [""] * 3)[:3]
    return age if age.isdecimal() and int(age) <= OLDEST else "", _of(GENDERS, gender), _of(RACES, race)


def _of(names: tuple[str, ...], number: str) -> str:
    return names[int(number)] if number.isdecimal() and int(number) < len(names) else ""
