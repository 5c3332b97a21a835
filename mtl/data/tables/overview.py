"""What there is in a table, column by column: `--job=attributes`."""

from collections.abc import Mapping, Sequence
from math import log2

import numpy as np

from mtl.data.tables.cells import Column, strata

SHOWN = 6  # classes of a column
HEADER = ("column", "task", "kind", "values", "missing", "balance", "strongest relation")


def overview(columns: Sequence[Column], rows: np.ndarray, chosen: Sequence[str], others: Mapping[str, str]) -> str:
    """The figures of every column as a Markdown table.

    Args:
      columns: those of which a kind was found or said.
      rows: [M] int, the images that count.
      chosen: names of those that are tasks.
      others: name of each other column, and why it is no task.

    Example:
      >>> from mtl.kinds import Kind
      >>> sex = Column("sex", Kind("binary", ("male", "female")), np.array([0.0, 1, 0, 1]))
      >>> age = Column("age", Kind("regression"), np.array([10.0, 20, np.nan, 30]))
      >>> print(overview([sex, age], np.arange(4), ["age"], {"file": "the images"}).split("\\n\\n")[0])
      | column | task | kind | values | missing | balance | strongest relation |
      |---|:---:|---|---|---:|---:|---|
      | sex |  | binary | male 50.0%, female 50.0% | 0 | 1.00 | r +0.87 age |
      | age | yes | regression | 10 to 30, mean 20, standard deviation 8.165 | 1 |  | r +0.87 sex |
      | file |  | none | the images |  |  |  |
    """
    columns = [column._replace(values_N=column.values_N[rows]) for column in columns]
    lines = [_line(HEADER), "|---|:---:|---|---|---:|---:|---|"]
    relations = _relations(columns)
    for k, column in enumerate(columns):
        missing = str(int(np.isnan(column.values_N).sum()))
        is_task = "yes" if column.name in chosen else ""
        strongest = _strongest(columns, k, relations[k])
        row = (column.name, is_task, column.kind.name, _values(column), missing, _balance(column), strongest)
        lines.append(_line(row))
    lines += [_line((name, "", "none", reason, "", "", "")) for name, reason in others.items()]
    notes = [
        f"Figures are those of {len(rows):,} images: of the training split where the table tells it, else of all.",
        "balance: entropy of the classes over the entropy of as many equal ones; 1 is balanced.",
        "strongest relation: r is the correlation of two columns without classes; I the mutual information of others, "
        "over the smaller of their entropies; 1: one tells the other. A number counts as the quarter that it lies in.",
    ]
    return "\n".join([*lines, "", *notes])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(column: Column) -> str:
    known = column.values_N[~np.isnan(column.values_N)]
    if not len(known):
        return ""
    if column.kind.name == "regression":
        return f"{known.min():.4g} to {known.max():.4g}, mean {known.mean():.4g}, standard deviation {known.std():.4g}"
    names = column.kind.classes or ("absent", "present")
    shares = np.bincount(known.astype(int), minlength=len(names)) / len(known)
    first = ", ".join(f"{name} {share:.1%}" for name, share in zip(names[:SHOWN], shares[:SHOWN], strict=True))
    return first + f", ... of {len(names)}" * (len(names) > SHOWN)


def _balance(column: Column) -> str:
    if column.kind.name == "regression":
        return ""
    return f"{_entropy(np.bincount(_known(column))) / log2(max(len(column.kind.classes), 2)):.2f}"


def _known(column: Column) -> np.ndarray:
    return column.values_N[~np.isnan(column.values_N)].astype(int)


def _entropy(counts: np.ndarray) -> float:
    """In bits, of how often each class occurs."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum())


def _relations(columns: Sequence[Column]) -> np.ndarray:
    """Correlation or mutual information of every two columns over the images that have both, [K, K]."""
    strata_KN = [strata(column) for column in columns]
    relations_KK = np.zeros((len(columns), len(columns)))
    for i, one in enumerate(columns):
        for j, other in enumerate(columns[:i]):
            both_N = (strata_KN[i] >= 0) & (strata_KN[j] >= 0)
            if "classes" in (one.kind.name, other.kind.name):
                relation = _information(strata_KN[i][both_N], strata_KN[j][both_N])
            else:
                relation = _correlation(one.values_N[both_N], other.values_N[both_N])
            relations_KK[i, j] = relations_KK[j, i] = relation
    return relations_KK


def _correlation(x_N: np.ndarray, y_N: np.ndarray) -> float:
    """0 if one is constant."""
    if not len(x_N):
        return 0.0
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    scale = float(np.sqrt((x_N @ x_N) * (y_N @ y_N)))
    return float(x_N @ y_N) / scale if scale > 0 else 0.0


def _information(x_N: np.ndarray, y_N: np.ndarray) -> float:
    """I(X; Y) / min(H(X), H(Y)), I = H(X) + H(Y) - H(X, Y); 0 if one is constant."""
    if not len(x_N):
        return 0.0
    counts_XY = np.bincount(x_N * (y_N.max() + 1) + y_N, minlength=(x_N.max() + 1) * (y_N.max() + 1))
    counts_XY = counts_XY.reshape(x_N.max() + 1, y_N.max() + 1)
    x, y = _entropy(counts_XY.sum(axis=1)), _entropy(counts_XY.sum(axis=0))
    return (x + y - _entropy(counts_XY.ravel())) / min(x, y) if min(x, y) > 0 else 0.0


def _strongest(columns: Sequence[Column], k: int, relations_K: np.ndarray) -> str:
    strongest = int(np.abs(relations_K).argmax())
    if relations_K[strongest] == 0:
        return ""
    other = columns[strongest]
    is_information = "classes" in (columns[k].kind.name, other.kind.name)
    return f"{f'I {relations_K[strongest]:.2f}' if is_information else f'r {relations_K[strongest]:+.2f}'} {other.name}"
