"""What every method that gives weights must do. Those of the Gramian alone have more asked of them in their file."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl.methods.krum import krum
from tests.methods import properties, test_halves_methods, test_loss_methods, test_more_methods

METHODS = test_loss_methods.METHODS | test_more_methods.METHODS | test_halves_methods.METHODS
# Of krum's closest two tasks the first is selected, whatever the order.
IN_ANY_ORDER = METHODS | {"krum": partial(krum, num_selected=2)}
ORDERED = {"ldc", "primary"}  # neighbours in the order of the tasks; a task by its number
# Alone, too, these weigh a loss by more than its share: by its size, or by what they have learned.
NOT_ONE_ALONE = {
    "auto_lambda",
    "dynamic_task_prioritization",
    "impartial",
    "impartial_losses",
    "loss_balanced",
    "scale_invariant",
    "uncertainty",
}
every_method = pytest.mark.parametrize("name", METHODS)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None)


@every_method
@few
@given(seeds, st.integers(1, 40))
def test_finite_and_zero_at_shut_gates(name: str, seed: int, num_tasks: int) -> None:
    properties.check_finite(METHODS[name], seed, num_tasks)


@pytest.mark.parametrize("name", sorted(METHODS.keys() - ORDERED))
@few
@given(seeds, st.integers(2, 8))
def test_permutation(name: str, seed: int, num_tasks: int) -> None:
    properties.check_permutation(IN_ANY_ORDER[name], seed, num_tasks)


@every_method
@few
@given(seeds, st.integers(2, 8))
def test_shut_gates_count_nowhere(name: str, seed: int, num_tasks: int) -> None:
    properties.check_subproblem(METHODS[name], seed, num_tasks)
    properties.check_fixed_gates(METHODS[name], seed, num_tasks)


@every_method
def test_one_task(name: str) -> None:
    properties.check_one_task(METHODS[name], expect_one=name not in NOT_ONE_ALONE)


@every_method
@few
@given(seeds, st.integers(1, 8))
def test_float64(name: str, seed: int, num_tasks: int) -> None:
    properties.check_float64(METHODS[name], seed, num_tasks)


@every_method
def test_pure(name: str) -> None:
    properties.check_pure(METHODS[name])


@every_method
def test_compiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtl.methods.solvers.NUM_STEPS", 3)  # all steps are alike, and tracing takes long
    properties.check_compiles(METHODS[name])
