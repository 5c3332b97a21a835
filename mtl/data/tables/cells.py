"""Cells of text become values of one of three kinds, the kind found from the cells or said."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl.errors import UserError
from mtl.kinds import Kind

PAIRS = (("-1", "1"), ("0", "1"), ("no", "yes"), ("false", "true"))  # what a binary column says, absent and present
MISSING = ("", "nan")  # whatever the case
MAX_NUMBERS = 20  # whole numbers up to so many are found to be classes, above them an amount
MAX_CLASSES = 100  # more texts than these are found to be no task, and more numbers than these are no classes
SHOWN = 3  # values that a sentence names
NUM_BINS = 4  # of amounts, each of which counts as a class where classes are counted


class Column(NamedTuple):
    """One task's labels of N images, before they are standardised."""

    name: str
    kind: Kind
    values_N: np.ndarray  # float64: 0 or 1, a class's number, or an amount; NaN where it is missing


class Cells(NamedTuple):
    """A column of the table, with what a sentence needs to name a cell."""

    name: str
    texts: Sequence[str]  # [N]
    images: Sequence[str]  # [N]
    table: str  # what it is called


def find_kind(texts: Sequence[str]) -> Kind | str:
    """The kind that a column's cells are of, or why it is none.

    Binary are -1 and 1, 0 and 1, no and yes, false and true; a regression is of numbers, unless they are whole and few.
    Whole numbers and texts that return are classes.

    Example:
      >>> find_kind(["yes", "", "no"]).name, find_kind(["18", "18.5", "NaN"]).name
      ('binary', 'regression')
      >>> find_kind(["dog", "cat", "cat", "dog", "cat"]).classes
      ('cat', 'dog')
      >>> find_kind(["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
      'text that hardly returns'
    """
    count = _count(texts)
    if not count:
        return "empty"
    if len(count) == 1:
        return "one value only"
    if _pair(count):
        return Kind("binary")
    numbers = [_number(text) for text in count]
    num_known = sum(count.values())
    if all(number is not None for number in numbers):
        if not all(number.is_integer() for number in numbers if number is not None):  # infinity, too: refused later
            return Kind("regression")
        if len(count) > MAX_NUMBERS:
            return "whole numbers, each once" if len(count) == num_known else Kind("regression")
    elif len(count) > min(MAX_CLASSES, num_known / 2):
        return "text that hardly returns"
    return Kind("classes", _by_frequency(count))


def read_cells(cells: Cells, kind: Kind) -> Column:
    """The values of a column, as its kind has them.

    Args:
      cells: of the column.
      kind: as `find_kind` gives it, or only its name; a binary or a class column's names may be given.

    Raises:
      UserError: for a cell that is none of the kind, and numbers that are too many to be classes.

    Example:
      >>> cells = Cells("colour", ["red", "", "blue"], ["1.jpg", "2.jpg", "3.jpg"], "labels.csv")
      >>> read_cells(cells, Kind("classes", ("blue", "red"))).values_N
      array([ 1., nan,  0.])
    """
    if kind.name == "regression":
        value_of = _amounts(cells)
    elif kind.name == "binary" and not kind.classes:
        value_of = _truths(cells)
    else:
        kind = kind if kind.classes else kind._replace(classes=_classes(cells))
        value_of = _numbers_of_classes(cells, kind.classes)
    values = np.array([value_of[text] for text in cells.texts], dtype=np.float64)
    return Column(cells.name, kind, values)


def one_of(name: str, columns: Sequence[Column]) -> Column:
    """One task of several binary columns, a class for each: the one that is present; missing if none or several are.

    A row in which one of them is missing is missing, since that one may be present too.

    Example:
      >>> black = Column("Black", Kind("binary"), np.array([1.0, 0.0, 1.0]))
      >>> gray = Column("Gray", Kind("binary"), np.array([0.0, 0.0, 1.0]))
      >>> one_of("Hair", [black, gray]).values_N
      array([ 0., nan, nan])
    """
    values_CN = np.stack([column.values_N for column in columns])
    values_N = np.where(values_CN.sum(axis=0) == 1, values_CN.argmax(axis=0), np.nan)
    return Column(name, Kind("classes", tuple(column.name for column in columns)), values_N)


def strata(column: Column) -> np.ndarray:
    """The class of each image, or the quarter of the amounts that its own lies in: [N] int64, -1 where it is missing.

    Example:
      >>> strata(Column("age", Kind("regression"), np.array([1.0, 2.0, 30.0, np.nan, 40.0])))
      array([ 0,  1,  2, -1,  3])
    """
    values_N = column.values_N
    known_N = ~np.isnan(values_N)
    if column.kind.name == "regression" and known_N.any():
        edges = np.quantile(values_N[known_N], np.arange(1, NUM_BINS) / NUM_BINS)
        values_N = np.searchsorted(edges, values_N, side="right").astype(float)
    return np.where(known_N, np.nan_to_num(values_N), -1).astype(np.int64)


def _count(texts: Sequence[str]) -> Counter[str]:
    """How often each value occurs, whole numbers in one spelling: pandas writes 1.0 where a column has gaps."""
    count: Counter[str] = Counter()
    for text, number in Counter(texts).items():
        if text.lower() not in MISSING:
            count[_plain(text)] += number
    return count


def _plain(text: str) -> str:
    number = _number(text)
    return str(int(number)) if number is not None and number.is_integer() else text


def _number(text: str) -> float | None:
    """The number that a text is, infinity too; None if it is none."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _pair(count: Counter[str]) -> tuple[str, str] | None:
    values = {text.lower() for text in count}
    return next((pair for pair in PAIRS if values <= {*pair}), None)


def _by_frequency(count: Counter[str]) -> tuple[str, ...]:
    """The most frequent first; of the same frequency by number, then by letter."""

    def place(text: str) -> tuple[int, float, str]:
        number = _number(text)
        return -count[text], math.inf if number is None else number, text

    return tuple(sorted(count, key=place))


def _values(cells: Cells) -> list[str]:
    return [text for text in dict.fromkeys(cells.texts) if text.lower() not in MISSING]


def _missing(cells: Cells) -> dict[str, float]:
    return {text: math.nan for text in {*cells.texts} if text.lower() in MISSING}


def _amounts(cells: Cells) -> dict[str, float]:
    value_of = _missing(cells)
    for text in _values(cells):
        number = _number(text)
        if number is None or math.isinf(number):
            raise _bad_cell(cells, text, "a finite number or, for a missing label, nothing should be")
        value_of[text] = number
    return value_of


def _truths(cells: Cells) -> dict[str, float]:
    values, pair = _values(cells), _pair(_count(cells.texts))
    if values and pair is None:
        raise _bad_cell(
            cells,
            values[-1],
            f"with {_listed(values)} no binary column is: it has -1 and 1, 0 and 1, no and "
            "yes or false and true, or its two values are named as in 'sex=binary:female|male'",
        )
    return _missing(cells) | {text: float(_plain(text).lower() in ("1", "yes", "true")) for text in values}


def _classes(cells: Cells) -> tuple[str, ...]:
    count = _count(cells.texts)
    are_numbers = all(_number(text) is not None for text in count)
    if are_numbers and len(count) > MAX_CLASSES:
        raise UserError(
            f"{cells.name} of {cells.table} has {len(count)} different numbers, which are no classes: "
            f"did you mean '{cells.name}=regression'?",
            "tasks",
        )
    if len(count) > max(sum(count.values()) / 2, 2):
        raise UserError(
            f"{cells.name} of {cells.table} has {len(count)} different texts in {sum(count.values())} rows, "
            "which are no classes: a class must return",
            "tasks",
        )
    return _by_frequency(count)


def _numbers_of_classes(cells: Cells, classes: Sequence[str]) -> dict[str, float]:
    number_of = {name: float(number) for number, name in enumerate(classes)}
    value_of = _missing(cells)
    for text in _values(cells):
        number = number_of.get(text, number_of.get(_plain(text)))
        if number is None:
            raise _bad_cell(cells, text, f"one of {', '.join(classes)} should be")
        value_of[text] = number
    return value_of


def _bad_cell(cells: Cells, text: str, expected: str) -> UserError:
    row = list(cells.texts).index(text)
    return UserError(
        f"{cells.table} has {text!r} in the column {cells.name} of {cells.images[row]}, where {expected}", "tasks"
    )


def _listed(values: Sequence[str]) -> str:
    return ", ".join(map(repr, values[:SHOWN])) + ", ..." * (len(values) > SHOWN)
