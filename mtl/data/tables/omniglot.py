"""Omniglot's files: 1,623 characters of 50 alphabets, each drawn by 20 people; an alphabet is a task.

Layout: images_background/ (30 alphabets) and images_evaluation/ (20), and in them [alphabet]/[character]/, where
character01, character02, ... each have 20 images [number]_[drawer].png, as the archives in python/ of the data set's
own repository, github.com/brendenlake/omniglot, have them (read 2026). Any folder of alphabets will do, such as
images_background_small1.

An image has a label in one task only, that of its alphabet: its character. The split is drawn by drawer, so that a
person's hand is seen in one split and each split has each character. Twenty of the 50 alphabets, as multi-task papers
train: name them in data.tasks.

Source: Lake, Salakhutdinov and Tenenbaum, Science 350, 2015, Human-level concept learning through probabilistic program
induction; a set of the paper of DST (Malhotra, Vatsa and Singh, TMLR 2023)
"""

from pathlib import Path

from mtl.data.tables.text import TextTable
from mtl.errors import UserError

PARTS = ("images_background", "images_evaluation")


def read_omniglot(root: Path) -> TextTable:
    """A row for each image, a column for each alphabet.

    Raises:
      UserError: if there are no images in such folders.
    """
    parts = [root / part for part in PARTS if (root / part).is_dir()] or [root]
    files = sorted(path for part in parts for path in part.glob("*/*/*_*.png"))
    if not files:
        raise UserError(
            f"{root} has no images in [alphabet]/[character]/, nor in {' or '.join(PARTS)}: unpack Omniglot's zip "
            "files there, or set root to their folder",
            "root",
        )
    alphabets = sorted({path.parts[-3] for path in files})
    columns = {
        "file": [path.relative_to(root).as_posix() for path in files],
        "drawer": [path.stem.rpartition("_")[2].lstrip("0") for path in files],
        **{name: [path.parts[-2] if path.parts[-3] == name else "" for path in files] for name in alphabets},
    }
    tasks = tuple(f"{name}=classes" for name in alphabets)
    return TextTable(root, (root,), columns, image="file", group="drawer", tasks=tasks, mirrored_alike=False)
