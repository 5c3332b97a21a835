"""Tasks and a split become the table that is trained on: standardised, and refused if it cannot be learnt from."""

from collections.abc import Sequence

import numpy as np

from mtl.data.image_files import Source
from mtl.data.table import SPLITS, Table
from mtl.data.tables.cells import Column
from mtl.errors import UserError
from mtl.kinds import BINARY

TRAIN = SPLITS.index("train")


def make_table(
    ids: np.ndarray, source: Source, split_N: np.ndarray, group_N: np.ndarray, columns: Sequence[Column]
) -> Table:
    """The table of these tasks.

    Raises:
      UserError: if a split has no image, a task has no label in one of them or one value only in training, or if
        the validation or the test images have a class that no training image has.

    Example:
      >>> from pathlib import Path
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import Kind
      >>> ages = Column("age", Kind("regression"), np.array([10.0, 30.0, 40.0, 20.0]))
      >>> nobody, split = np.full(4, -1, np.int32), np.array([0, 0, 1, 2], np.int8)
      >>> table = make_table(np.arange(4).astype(str), ImageSource(Path("img"), ""), split, nobody, [ages])
      >>> table.kinds[0].mean, table.kinds[0].std, table.labels[:, 0].tolist()
      (20.0, 10.0, [-1.0, 1.0, 2.0, 0.0])
    """
    for index, name in enumerate(SPLITS):
        if not (split_N == index).any():
            raise UserError(f"no image is in the {name} split: each split needs some")
    columns = [_standardise(column, split_N == TRAIN) for column in columns]
    for column in columns:
        _check_splits(column, split_N)
    values_NK = np.stack([column.values_N for column in columns], axis=1)
    mask_NK = ~np.isnan(values_NK)
    all_binary = all(column.kind.name == BINARY.name for column in columns)
    labels_NK = np.nan_to_num(values_NK).astype(bool if all_binary else np.float32)
    names, kinds = tuple(column.name for column in columns), tuple(column.kind for column in columns)
    return Table(ids, source, labels_NK, mask_NK, split_N, group_N, names, kinds)


def _standardise(column: Column, train_N: np.ndarray) -> Column:
    if column.kind.name != "regression":
        return column
    known = column.values_N[train_N & ~np.isnan(column.values_N)]
    if len({*known.tolist()}) < 2:
        raise _too_few(column, known)
    mean, std = float(known.mean()), float(known.std())
    return column._replace(kind=column.kind._replace(mean=mean, std=std), values_N=(column.values_N - mean) / std)


def _check_splits(column: Column, split_N: np.ndarray) -> None:
    values = [column.values_N[split_N == index] for index in range(len(SPLITS))]
    seen = [{*of_split[~np.isnan(of_split)].tolist()} for of_split in values]
    if len(seen[TRAIN]) < 2:
        raise _too_few(column, [*seen[TRAIN]])
    for split, there in zip(SPLITS, seen, strict=True):
        if not there:
            raise UserError(f"{column.name} has no label in the {split} split: take it out of tasks", "tasks")
        new = sorted(there - seen[TRAIN])
        if new and column.kind.name == "classes":
            names = ", ".join(column.kind.classes[int(number)] for number in new)
            raise UserError(
                f"{column.name} has classes in the {split} split that no training image has ({names}), and nobody can "
                "learn them: move images of them to the training split, or empty their cells",
                "tasks",
            )


def _too_few(column: Column, values: Sequence[float] | np.ndarray) -> UserError:
    if not len(values):
        return UserError(f"{column.name} has no label in the training split: take it out of tasks", "tasks")
    value = values[0]
    if column.kind.name == "binary":
        value_name = (column.kind.classes or ("absent", "present"))[int(value)]
    else:
        value_name = column.kind.classes[int(value)] if column.kind.classes else f"{value:g}"
    return UserError(
        f"{column.name} is the same in all training images ({value_name}), so there is nothing to learn: "
        "take it out of tasks",
        "tasks",
    )
