"""Rows become Markdown."""

from mtl.bench.job import document
from mtl.bench.table import cell, markdown


def test_a_known_result() -> None:
    spread = {"median": 0.9049, "quartile_1": 0.9, "quartile_3": 1.0}
    rows = [{"K": 8, "step": "joint", "of the loop": spread}, {"K": 40, "step": "DST", "images/s": 87.24}]
    assert markdown(rows).splitlines() == [
        "| K  | step  | of the loop           | images/s |",
        "|----|-------|-----------------------|----------|",
        "| 8  | joint | 0.905 (0.900 to 1.00) |          |",
        "| 40 | DST   |                       | 87.2     |",
    ]


def test_three_digits_that_count() -> None:
    values = (0.0, 0.00123456, 0.9999, 1.0, 99.96, 162_770.0, -0.068)
    assert [cell(value) for value in values] == ["0.00", "0.00123", "1.000", "1.00", "100.0", "162770", "-0.0680"]


def test_every_part_is_in_the_document() -> None:
    part = {"legend": "Seconds.", "tables": {"Steps": [{"K": 8}]}, "form": "short", "seconds": 5.0}
    part |= {"command": "mtl --job=bench", "revision": "abc", "versions": {"torch": "2.14"}}
    text = document({"device": "Abacus", "parts": {"a": part, "e": part}})
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == ["# Abacus", "## a. Training steps", "### Steps", "## e. Growth", "### Steps"]
    assert text.count("| 8 |") == 2
