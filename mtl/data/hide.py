"""Hides training labels, so that tasks differ in how many samples they have."""

from collections.abc import Sequence

import numpy as np

from mtl.data.table import SPLITS, Table
from mtl.errors import UserError
from mtl.streams import Stream, generator


def hide_labels(table: Table, entries: Sequence[str]) -> Table:
    """Keeps a share of a task's training labels and marks the others as unknown; which ones is fixed for all runs.

    Args:
      table: with the tasks that are trained.
      entries: `task=share`, a share in (0, 1]; tasks that are not named keep all.

    Returns:
      A table with another `mask`; validation and test keep all their labels.

    Raises:
      UserError: for an entry that is not of that form or names a task that is not trained.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> known, nobody, split = np.ones((4, 1), bool), np.full(4, -1), np.zeros(4, np.int8)
      >>> names, kinds = ("Male",), (BINARY,)
      >>> table = Table(np.arange(4).astype(str), ImageSource(None, ""), known, known, split, nobody, names, kinds)
      >>> int(hide_labels(table, ["Male=0.25"]).mask.sum())  # of four
      1
    """
    mask = table.mask.copy()
    train = np.flatnonzero(table.split == SPLITS.index("train"))
    for entry in entries:
        task, share = parse_share(entry, table.attributes)
        column = table.attributes.index(task)
        order = generator(Stream.HIDDEN_LABELS, column).permutation(train)
        mask[order[round(share * len(train)) :], column] = False
    return table._replace(mask=mask)


def parse_share(entry: str, tasks: Sequence[str]) -> tuple[str, float]:
    """The task, and the share of its labels that it keeps.

    Raises:
      UserError: for an entry that is not `task=share`, with a share in (0, 1], or that names none of the tasks.

    Example:
      >>> parse_share("Male=0.25", ("Male", "Young"))
      ('Male', 0.25)
    """
    task, _, text = entry.rpartition("=")
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0:
        raise UserError(
            f"label_fractions has {entry!r}; write task=share with a share in (0, 1], as in Male=0.25",
            "label_fractions",
        )
    if task not in tasks:
        raise UserError(f"label_fractions names {task!r}, which is none of the tasks", "label_fractions")
    return task, share
