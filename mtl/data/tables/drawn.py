"""The drawn faces as tasks of three kinds: a smile, one of five colours of hair, and the turn of the head."""

from pathlib import Path

import numpy as np

from mtl.data.faces.person import sample_shot, turn
from mtl.data.image_files import ImageSource
from mtl.data.table import SPLITS, Table
from mtl.data.tables.text import TextTable

HAIR = {"black": "Black_Hair", "brown": "Brown_Hair", "blond": "Blond_Hair", "gray": "Gray_Hair"}
OTHER = "other"  # very dark, red, or between the others
TASKS = ("smiling=binary", f"hair=classes:{'|'.join((*HAIR, OTHER))}", "turn=regression")


def tabulate_faces(table: Table, seed: int) -> TextTable:
    """The table as it would stand in a file.

    A bald head has no label of its hair, nor has one of two colours, which noise in the labels makes. The turn is in
    degrees, from -30 to 30; in a mirror it has the other sign.

    Args:
      table: of drawn faces, with all their attributes, in the order in which they were drawn.
      seed: that they were drawn with.
    """
    assert isinstance(table.source, ImageSource)
    present = dict(zip(table.attributes, table.labels.T, strict=True))
    colours_CN = np.stack([present[name] for name in HAIR.values()])
    names = np.array([*HAIR])[colours_CN.argmax(axis=0)]
    hair = np.select(
        [present["Bald"], colours_CN.sum(axis=0) == 0, colours_CN.sum(axis=0) == 1], ["", OTHER, names], ""
    )
    columns = {
        "file": table.ids.tolist(),
        "split": np.array(SPLITS)[table.split].tolist(),
        "person": table.identity.astype(str).tolist(),
        "smiling": np.where(present["Smiling"], "yes", "no").tolist(),
        "hair": hair.tolist(),
        "turn": [f"{turn(sample_shot(seed, index)):.1f}" for index in range(len(table.ids))],
    }
    folder = Path(table.source.path)
    return TextTable(folder.parent, (folder,), columns, "file", "split", "person", TASKS, mirrored_alike=False)
