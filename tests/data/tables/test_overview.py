"""`--job=attributes` of a table: every column, its kind, values, gaps, balance and relations."""

from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from mtl.config import read_data
from mtl.data.load import describe_columns
from mtl.data.tables.cells import Column
from mtl.data.tables.overview import overview
from mtl.kinds import Kind
from tests.data.tables.files import columns, write_all


def cells(listed: str, column: str) -> list[str]:
    line = next(line for line in listed.splitlines() if line.startswith(f"| {column} |"))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_every_column_is_shown(config: ConfigDict, tmp_path: Path) -> None:
    path = write_all(tmp_path, columns())
    config.data.update({"name": "table", "table": str(path), "tasks": ("age=regression", "hair")})
    listed = describe_columns(read_data(config))
    assert cells(listed, "age")[:5] == [
        "age",
        "yes",
        "regression",
        "20 to 39.5, mean 29.88, standard deviation 5.783",
        "1",
    ]
    assert cells(listed, "hair")[2:6] == ["classes", "black 48.7%, brown 25.6%, gray 25.6%", "1", "0.95"]
    assert cells(listed, "smiling")[:5] == ["smiling", "", "binary", "absent 35.9%, present 64.1%", "1"]
    assert cells(listed, "file")[2:4] == ["none", "the images"]
    assert cells(listed, "person")[2:4] == ["none", "the group"]
    assert "of 40 images" in listed
    config.data.tasks = ()
    assert describe_columns(read_data(config)).count("| yes |") == 3


def test_figures_are_those_of_the_training_split(config: ConfigDict, tmp_path: Path) -> None:
    split = [("train", "train", "val", "test")[row // 2 % 4] for row in range(40)]
    path = write_all(tmp_path, columns() | {"split": split})
    config.data.update({"name": "table", "table": str(path), "tasks": ()})
    listed = describe_columns(read_data(config))
    assert "of 20 images" in listed
    assert cells(listed, "split")[3] == "the split"


def test_relations_are_correlation_or_information() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=4000)
    y = 0.6 * x + 0.8 * generator.normal(size=4000)
    y[:100] = np.nan
    group = np.digitize(x, np.quantile(x, [0.25, 0.5, 0.75])).astype(float)
    coin = Column("coin", Kind("binary"), generator.integers(0, 2, 4000).astype(float))
    of_numbers = overview(
        [Column("x", Kind("regression"), x), Column("y", Kind("regression"), y)], np.arange(4000), (), {}
    )
    expected = np.corrcoef(x[100:], y[100:])[0, 1]
    assert cells(of_numbers, "x")[-1] == f"r {expected:+.2f} y"
    names = ("a", "b", "c", "d")
    tells = overview(
        [Column("x", Kind("regression"), x), Column("group", Kind("classes", names), group), coin],
        np.arange(4000),
        (),
        {},
    )
    assert cells(tells, "group")[-1] == "I 1.00 x"  # a quarter tells the class
    assert cells(tells, "group")[5] == "1.00"
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    counts = (joint * 1000).astype(int)
    pairs = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], counts.ravel(), axis=0).astype(float)
    two = [Column(name, Kind("classes", ("a", "b")), pairs[:, k]) for k, name in enumerate("pq")]
    information = (joint * np.log2(joint / 0.25)).sum()
    assert cells(overview(two, np.arange(1000), (), {}), "p")[-1] == f"I {information:.2f} q"


@pytest.mark.parametrize("values", [[np.nan, np.nan], [1.0, 1.0]])
def test_columns_without_a_relation(values: list[float]) -> None:
    two = [Column("a", Kind("binary"), np.array(values)), Column("b", Kind("binary"), np.array([0.0, 1.0]))]
    assert cells(overview(two, np.arange(2), (), {}), "a")[-1] == ""
