"""Tables of scores: worked out by hand, tasks down for few methods and methods down for many."""

from typing import Any

import pytest

from mtl.statistics.cost_tables import dropping_table
from mtl.statistics.score_table import MAX_COLUMNS, score_table
from mtl.statistics.tables import gain_table, remarks


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


STUDY: dict[str, Any] = {"margin": 0.003, "num_folds": None, "controls": {"random_drop": "dst"}}


def gains(difference: float, verdict: str) -> dict[str, Any]:
    """A comparison in which every number is known."""
    gain = {"difference": difference, "interval": [difference - 0.01, difference + 0.01], "holm_p_value": 0.0004}
    of_task = gain | {"verdict": verdict}
    return {
        "seeds": [0] if verdict == "one seed" else [0, 1],
        "equal_seeds": [],
        "accuracy": {"overall": of_task, "tasks": {"Male": of_task, "Young": of_task}},
        "delta_m": {"mean": 1.5},
    }


def test_one_seed_has_a_difference_and_no_more() -> None:
    compared = {"a": {"random_drop": gains(0.02, "gain")}, "b": {"random_drop": gains(-0.3, "one seed")}}
    lines = [line.split("|") for line in gain_table(STUDY | {"comparisons": compared}, "random_drop").splitlines()]
    cells = [[cell.strip() for cell in line[1:-1]] for line in lines[2:4]]
    assert cells == [
        ["a", "2", "+2.00", "+1.00 to +3.00", "< 0.001", "gain", "2, 0", "+1.50"],
        ["b", "1", "-30.00", "-", "-", "one seed", "-", "+1.50"],
    ]
    note = lines[-1][0]
    assert "no verdict" in note and "control of dst and of no other method" in note
    assert "no verdict" not in gain_table(STUDY | {"comparisons": {"a": compared["a"]}}, "random_drop")


def test_a_difference_without_an_interval() -> None:
    unknown = {"difference": None, "interval": None, "holm_p_value": None, "verdict": "undecided"}
    comparison = {
        "seeds": [0, 1],
        "equal_seeds": [],
        "accuracy": {"overall": unknown, "tasks": {}},
        "delta_m": {"mean": None},
    }
    row = gain_table(STUDY | {"comparisons": {"a": {"joint": comparison}}}, "joint").splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[3:6]] == ["-", "-", "-"]


def test_gates_shut_stand_beside_the_drop_rate() -> None:
    overall = {"drop_rate": 0.0412, "gates_shut": 8 / 240, "num_shut": 8.0, "num_gates": 240}
    row = dropping_table({"dst": {"overall": overall}}).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["dst", "4.12", "8", "240", "3.33"]


def test_remarks_name_what_the_scores_do_not_show() -> None:
    results = results_of({"joint": (0.59, 0.8), "mgda": (0.61, 0.69), "dst": (0.59, 0.8)})
    shut = {"dst": {"overall": {"num_shut": 0.0}}, "random_drop": {"overall": {"num_shut": 1.0}}}
    results |= {
        "equal_predictions": [[["joint", 0], ["dst", 0]]],
        "dropping": shut,
        "largest_weight_deviations": {"mgda": 0.026, "cagrad": 0.5},
        "gradient_levels": {"mgda": "features", "moco": "parameters"},
    }
    assert remarks(results) == [
        "Mean accuracy below that of the majority guess: Male under joint, dst; Young under mgda.",
        "The same predictions to the last bit, so one network under several names: joint (seed 0) = dst (seed 0).",
        "No gate was ever shut, so that nothing was dropped: dst.",
        "Weights never further from equal ones in a logged step than: mgda 2.6%; nearly joint training.",
        "Saw the tasks' gradients at the trunk's features: mgda.",
        "Saw the tasks' gradients at the trunk's parameters: moco.",
    ]
    silent = {"equal_predictions": [], "dropping": {}, "largest_weight_deviations": {}, "gradient_levels": {}}
    assert remarks(results_of({"joint": (0.9, 0.8)}) | silent) == []
