"""A method that is one file and one line of the registry gets options, table, names and the general tests by that."""

import doctest
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from configs.default import get_config
from mtl import methods
from mtl.methods.table import readme
from mtl.report import names
from tests.methods import test_exact_values, test_options, test_pareto_front, test_properties

NAME = "softmax_of_losses"
FILE = '''"""Softmax of losses: the larger a task's loss, the more it counts.

Source: a test, 2026
TorchJD: Softmax
"""

from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared import masked
from mtl.methods.shared.options import check_number


def softmax_of_losses(temperature: float = 1.0) -> Method[tuple[()]]:
    """w = softmax(L / temperature)

    Args:
      temperature: higher is closer to equal weights.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(softmax_of_losses(), observe(losses=[0.0, 1.0]))
      tensor([[0.2689, 0.7311]])
    """
    temperature = check_number("softmax_of_losses.temperature", temperature, "(0, inf)")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return masked.softmax(observation.losses_K / temperature, observation.open_K), state

    return Method(no_state, update)
'''


@pytest.fixture(autouse=True)
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, where the package finds it, and the line in the registry."""
    file = tmp_path / f"{NAME}.py"
    file.write_text(FILE)
    spec = importlib.util.spec_from_file_location(f"mtl.methods.{NAME}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    registry = Path(methods.__file__).read_text()
    first = registry.index("from mtl.methods.")
    namespace: dict[str, Any] = {"__name__": methods.__name__}
    exec(f"{registry[:first]}from mtl.methods.{NAME} import {NAME} as {NAME}\n{registry[first:]}", namespace)
    assert namespace["METHODS"] == methods.METHODS | {NAME: module.softmax_of_losses}
    monkeypatch.setitem(methods.METHODS, NAME, module.softmax_of_losses)
    monkeypatch.setattr(names, "BALANCING", tmp_path)


def test_options_table_and_names() -> None:
    assert get_config().methods[NAME].to_dict() == {"temperature": 1.0}
    assert methods.make_method(NAME, {"temperature": 2.0}).looks_at == ("losses",)
    assert NAME in methods.looking_at("losses")
    assert f"| `{NAME}` | losses | a test, 2026 | - | Softmax |\n" in readme()
    assert names.balancing(NAME) == ("softmax of losses", "the larger a task's loss, the more it counts")


def test_general_tests() -> None:
    for test in (
        test_properties.test_looks_at_what_it_says,
        test_properties.test_finite_and_zero_at_shut_gates,
        test_properties.test_permutation,
        test_properties.test_shut_gates_count_nowhere,
        test_properties.test_one_task,
        test_properties.test_float64,
        test_properties.test_pure,
        test_properties.test_many_at_once,
        test_properties.test_compiles,
        test_options.test_a_method_that_is_not_shown_what_it_looks_at,
        test_options.test_losses_may_be_negative_unless_a_method_says_no,
        test_pareto_front.test_ends_on_the_front,
    ):
        test(name=NAME)
    for hostile in (
        test_options.test_values_that_no_such_option_takes,
        test_options.test_any_value_is_taken_or_refused,
    ):
        hostile(NAME, "temperature")


def test_exact_values_are_those_of_its_example() -> None:
    test_exact_values.test_every_method_has_exact_values()
    result = doctest.testmod(sys.modules[f"mtl.methods.{NAME}"])
    assert result.attempted == 2 and result.failed == 0
