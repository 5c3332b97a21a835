"""Which image belongs to which split: as a column says, or drawn with as many of each class as the shares allow."""

from collections.abc import Sequence

import numpy as np

from mtl.data.parquet.columns import IDENTITIES
from mtl.data.parquet.table import SPLIT_VALUES
from mtl.data.table import SPLITS
from mtl.data.tables.cells import Column, strata
from mtl.data.tables.text import TextTable
from mtl.errors import UserError
from mtl.streams import Stream, generator

GROUPS = (*IDENTITIES, "person", "patient", "patient_id", "subject", "subject_id")
SHARES = (0.8, 0.1, 0.1)  # of the images, by SPLITS
TRAIN, VALID, TEST = range(3)
UNKNOWN = -1
LARGEST = np.iinfo(np.int32).max


def find_column(text: TextTable, names: Sequence[str]) -> str | None:
    """The first of these names that a column has, whatever its case.

    Example:
      >>> from pathlib import Path
      >>> find_column(TextTable(Path("labels.csv"), (), {"Age": ["3"], "Person ID": ["7"]}), GROUPS)
      'Person ID'
    """
    by_name = {name.lower().replace(" ", "_").replace("-", "_"): name for name in text.columns}
    return next((by_name[name] for name in names if name in by_name), None)


def number_groups(cells: Sequence[str]) -> np.ndarray:
    """A number for each group, [N] int32; -1 where none is named. Whole numbers stay what they are.

    Example:
      >>> number_groups(["anna", "", "bob", "anna"]), number_groups(["7", "", "12", "7"])
      (array([ 0, -1,  1,  0], dtype=int32), array([ 7, -1, 12,  7], dtype=int32))
    """
    names = [name for name in dict.fromkeys(cells) if name]
    are_numbers = all(name.isdecimal() and str(int(name)) == name and int(name) <= LARGEST for name in names)
    number_of = {name: int(name) if are_numbers else number for number, name in enumerate(names)}
    return np.array([number_of.get(cell, UNKNOWN) for cell in cells], dtype=np.int32)


def read_split(text: TextTable, name: str) -> np.ndarray:
    """The split of each image as a column tells it, [N] int8; -1 for the training images of a table of two splits.

    A table of training images and one other split, whichever it is called, has no third: the other is the test split,
    and validation images are drawn from the training images.

    Raises:
      UserError: for a cell that is no split, and a column that does not tell two.

    Example:
      >>> from pathlib import Path
      >>> columns = {"split": ["train", "valid", "test"], "fold": ["train", "train", "val"]}
      >>> text = TextTable(Path("labels.csv"), (), columns)
      >>> read_split(text, "split").tolist(), read_split(text, "fold").tolist()
      ([0, 1, 2], [-1, -1, 2])
    """
    cells = text.columns[name]
    split_of = {cell: SPLIT_VALUES.get(cell.lower(), UNKNOWN) for cell in {*cells}}
    bad = next((cell for cell in cells if split_of[cell] == UNKNOWN), None)
    if bad is not None:
        raise UserError(
            f"{text.path} has {bad!r} in the column {name}, where train, valid or test (0, 1, 2) should be: correct "
            "it, or set split_column to none, which draws a split",
            "split_column",
        )
    split_N = np.array([split_of[cell] for cell in cells], dtype=np.int8)
    there = {*split_of.values()}
    if TRAIN not in there or len(there) == 1:
        lacking = ", ".join(SPLITS[index] for index in range(len(SPLITS)) if index not in there)
        raise UserError(f"{text.path} has no image of {lacking} in the column {name}: name some", "split_column")
    return split_N if len(there) == len(SPLITS) else np.where(split_N == TRAIN, UNKNOWN, TEST).astype(np.int8)


def training_rows(text: TextTable) -> np.ndarray:
    """The images that the table says to train on, or all where it says nothing: [M] int.

    Example:
      >>> from pathlib import Path
      >>> columns = {"file": ["1.png", "2.png", "3.png"], "split": ["train", "test", "train"]}
      >>> text = TextTable(Path("labels.csv"), (), columns, image="file")
      >>> training_rows(text), training_rows(text._replace(split="split"))
      (array([0, 1, 2]), array([0, 2]))
    """
    split_N = read_split(text, text.split) if text.split else np.full(len(text.columns[text.image]), UNKNOWN)
    return np.flatnonzero((split_N == TRAIN) | (split_N == UNKNOWN))


def refuse_groups_apart(text: TextTable, split_N: np.ndarray, group_N: np.ndarray) -> None:
    """Refuses a group whose images are in two splits: what is learnt of a person would be tested on that person.

    Raises:
      UserError: with how many there are, and the first.

    Example:
      >>> from pathlib import Path
      >>> text = TextTable(Path("labels.csv"), (), {"who": ["anna", "anna", "bob"]}, group="who")
      >>> refuse_groups_apart(text, np.array([0, 2, 1]), np.array([0, 0, 1]))
      Traceback (most recent call last):
      mtl.errors.UserError: 1 of the 2 groups in who of labels.csv are in two splits, anna in train and test first: \
correct the split, set split_column to none to draw one, or group_column to none to leave it so
    """
    known = np.flatnonzero(group_N != UNKNOWN)
    groups, first, number_of = np.unique(group_N[known], return_index=True, return_inverse=True)
    there = np.zeros((len(groups), len(SPLITS)), dtype=bool)
    there[number_of, split_N[known]] = True
    apart = np.flatnonzero(there.sum(axis=1) > 1)
    if len(apart):
        name = text.columns[text.group][known[first[apart[0]]]]
        splits = " and ".join(split for split, is_there in zip(SPLITS, there[apart[0]], strict=True) if is_there)
        raise UserError(
            f"{len(apart)} of the {len(groups)} groups in {text.group} of {text.path} are in two splits, {name} in "
            f"{splits} first: correct the split, set split_column to none to draw one, or group_column to none to "
            "leave it so",
            "group_column",
        )


def draw_split(split_N: np.ndarray, group_N: np.ndarray, columns: Sequence[Column], seed: int) -> np.ndarray:
    """Draws the split of images that have none, [N] int8: stratified over all tasks, a group in one split.

    The rarest class is dealt out first, a group or image at a time, to the split that lacks most of that class, then
    most images; so each split gets its share of each class where the groups allow it. A split that has its images gets
    no more, so that none has more than its share by as much as a group.

    Source: Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data (iterative stratification).
    Our additions: groups, the largest first; a regression counts as the quarter that its value lies in.

    Args:
      split_N: as `read_split` gives it, or -1 throughout. Images that have a split keep it.
      group_N: [N] int, -1 where an image is alone.
      columns: the tasks.
      seed: of the order in which equals are dealt out.

    Example:
      >>> from mtl.kinds import Kind
      >>> sex = Column("sex", Kind("binary"), np.arange(40.0) % 2)
      >>> split_N = draw_split(np.full(40, -1), np.full(40, -1), [sex], seed=0)
      >>> [(np.sum(split_N == split), sex.values_N[split_N == split].mean()) for split in range(3)]
      [(np.int64(32), np.float64(0.5)), (np.int64(4), np.float64(0.5)), (np.int64(4), np.float64(0.5))]
    """
    free = np.flatnonzero(split_N == UNKNOWN)
    shares = np.array(SHARES) if len(free) == len(split_N) else np.array([*SHARES[:TEST], 0.0]) / sum(SHARES[:TEST])
    drawn_N = split_N.astype(np.int8)
    if len(free):
        unit_n = _units(group_N[free], seed)
        strata_nK = np.stack([strata(column)[free] for column in columns], axis=1)
        drawn_N[free] = _deal(unit_n, strata_nK, shares)[unit_n]
    return drawn_N


def _units(group_n: np.ndarray, seed: int) -> np.ndarray:
    """The number of what each image is dealt out with, its group or itself: largest first, equals in random order."""
    alone = group_n == UNKNOWN
    names = np.where(alone, group_n.max() + 1 + np.arange(len(group_n)), group_n)
    _, unit_n, sizes = np.unique(names, return_inverse=True, return_counts=True)
    order = generator(Stream.SPLIT, seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    return np.argsort(order)[unit_n]


def _deal(unit_n: np.ndarray, strata_nK: np.ndarray, shares_S: np.ndarray) -> np.ndarray:
    """The split of each of M units, whose images have L classes in all tasks together: [M] int8."""
    num_units, num_classes = unit_n.max() + 1, strata_nK.max(axis=0) + 1
    class_nK = strata_nK + np.cumsum(num_classes) - num_classes
    pairs = (unit_n[:, None] * num_classes.sum() + class_nK)[strata_nK != UNKNOWN]
    pairs, count_P = np.unique(pairs, return_counts=True)  # P pairs of a unit and a class that it has, unit by unit
    unit_P, class_P = np.divmod(pairs, num_classes.sum())
    starts_M = np.searchsorted(unit_P, np.arange(num_units + 1))
    lacking_S, size_M = shares_S * len(unit_n), np.bincount(unit_n)
    left_L = np.bincount(class_P, weights=count_P, minlength=num_classes.sum())
    lacking_LS = left_L[:, None] * shares_S
    split_M = np.full(num_units, UNKNOWN, np.int8)

    def put(unit: int, wanted_S: np.ndarray) -> None:
        wanted_S = np.where(lacking_S > 0, wanted_S, -np.inf)  # what is left to deal out, some split lacks
        most = wanted_S >= wanted_S.max() - 1e-9
        split_M[unit] = split = np.where(most, lacking_S, -np.inf).argmax()
        mine = slice(starts_M[unit], starts_M[unit + 1])
        lacking_S[split] -= size_M[unit]
        lacking_LS[class_P[mine], split] -= count_P[mine]
        left_L[class_P[mine]] -= count_P[mine]

    while left_L.any():
        rarest = np.where(left_L > 0, left_L, np.inf).argmin()
        for unit in unit_P[class_P == rarest].tolist():
            if split_M[unit] == UNKNOWN:
                put(unit, lacking_LS[rarest])
    for unit in np.flatnonzero(split_M == UNKNOWN).tolist():
        put(unit, lacking_S)
    return split_M
