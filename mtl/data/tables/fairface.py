"""FairFace's files: 97,698 faces with age in 9 groups, gender and race in 7 groups.

Layout: two lists with the columns file, age, gender, race and service_test, one of the training and one of the
validation images, and the images in folders that the lists name (train/1.jpg, val/1.jpg). The lists and the archives of
images (padding 0.25 and 1.25) are linked from the data set's own page, github.com/joojs/fairface, whose README says
which is which; columns and classes are those that its copy HuggingFaceM4/FairFace documents. Read 2026.

The validation images are the public ones that papers test on, so they are the test split, and validation images are
drawn from the training images.

Source: Karkkainen and Joo, WACV 2021, FairFace: Face attribute dataset for balanced race, gender, and age
"""

from pathlib import Path

from mtl.data.tables.text import TextTable, read_text
from mtl.errors import UserError

LISTS = {"train": "fairface_label_train.csv", "valid": "fairface_label_val.csv"}
IMAGES = ("", "fairface-img-margin025-trainval", "fairface-img-margin125-trainval")
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
RACES = ("East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic", "Southeast Asian")
TASKS = (f"age=classes:{'|'.join(AGES)}", "gender=binary:Male|Female", f"race=classes:{'|'.join(RACES)}")
COLUMNS = ("file", "age", "gender", "race")


def read_fairface(root: Path) -> TextTable:
    """The rows of both lists.

    Raises:
      UserError: if a list is not there or lacks a column.
    """
    columns: dict[str, list[str]] = {name: [] for name in (*COLUMNS, "split")}
    for split, name in LISTS.items():
        if not (root / name).is_file():
            raise UserError(f"{root / name} is not there: set root to the folder of FairFace's two lists", "root")
        read = read_text(root / name, root)
        lacking = [column for column in COLUMNS if column not in read.columns]
        if lacking:
            raise UserError(
                f"{root / name} has no column {lacking[0]!r}, which FairFace's lists have: download it again"
            )
        for column in COLUMNS:
            columns[column] += read.columns[column]
        columns["split"] += [split] * len(read.columns["file"])
    folders = tuple(root / folder for folder in IMAGES)
    return TextTable(root, folders, columns, image="file", split="split", tasks=TASKS)
