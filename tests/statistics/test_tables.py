"""Tables of scores: worked out by hand, tasks down for few methods and methods down for many."""

from typing import Any

import pytest

from mtl.statistics.tables import MAX_COLUMNS, score_table


def results_of(methods: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Of a study with two tasks, one seed and these accuracies."""

    def at(accuracy: float) -> dict[str, Any]:
        return {score: {"mean": accuracy, "standard_deviation": None} for score in ("accuracy", "balanced_accuracy")}

    return {
        "tasks": ["Male", "Young"],
        "seeds": {method: [0] for method in methods},
        "majority_accuracy": {"tasks": {"Male": 0.6, "Young": 0.7}, "overall": 0.65},
        "methods": {
            method: {"tasks": {"Male": at(male), "Young": at(young)}, "overall": at((male + young) / 2)}
            for method, (male, young) in methods.items()
        },
    }


def test_few_methods_stand_abreast() -> None:
    expected = """\
| task    | majority | joint | mgda  |
|---------|----------|-------|-------|
| Male    | 60.00    | 90.00 | 91.00 |
| Young   | 70.00    | 80.00 | 83.00 |
| overall | 65.00    | 85.00 | 87.00 |

Accuracy, test split, per cent; 1 seed."""
    assert score_table(results_of({"joint": (0.9, 0.8), "mgda": (0.91, 0.83)}), "accuracy") == expected


def test_many_methods_stand_below_each_other() -> None:
    methods = {f"m{number:02d}": (0.8, 0.01 * number) for number in range(MAX_COLUMNS + 1)}
    lines = score_table(results_of(methods), "accuracy").splitlines()
    assert lines[:5] == [
        "| method   | overall | Male  | Young |",
        "|----------|---------|-------|-------|",
        "| majority | 65.00   | 60.00 | 70.00 |",
        "| m00      | 40.00   | 80.00 | 0.00  |",
        "| m01      | 40.50   | 80.00 | 1.00  |",
    ]
    assert [line.split()[1] for line in lines[3 : 3 + len(methods)]] == list(methods), "in the study's order"
    assert len(lines) == 3 + len(methods) + 2


@pytest.mark.parametrize(("num_methods", "first"), [(MAX_COLUMNS, "task"), (MAX_COLUMNS + 1, "method")])
def test_methods_go_down_where_they_have_no_room_abreast(num_methods: int, first: str) -> None:
    table = score_table(results_of({f"m{number}": (0.8, 0.9) for number in range(num_methods)}), "balanced_accuracy")
    assert table.split()[1] == first
    assert "majority" not in table
