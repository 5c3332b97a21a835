"""What every method in the registry must do, whatever its formula; one that is added there is tested by that."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtl.methods import METHODS, looking_at
from mtl.methods.aligned_mtl import aligned_mtl
from mtl.methods.db_mtl import db_mtl
from mtl.methods.equal import equal
from mtl.methods.excess_mtl import excess_mtl
from mtl.methods.graddrop import graddrop
from mtl.methods.improvable_gap import improvable_gap
from mtl.methods.krum import krum
from mtl.methods.mgda import mgda
from mtl.methods.moco import moco
from mtl.methods.random_weighting import random_weighting
from mtl.methods.sam_gs import sam_gs
from mtl.methods.smooth_tchebycheff import smooth_tchebycheff
from tests.methods import properties, samplers
from tests.methods.properties import Make

# Methods with options that make another rule of them.
VARIANTS: dict[str, Make] = {
    "equal": equal,
    "random_weighting, dirichlet": partial(random_weighting, "dirichlet"),
    "random_weighting, bernoulli": partial(random_weighting, "bernoulli"),
    "graddrop, leaking": partial(graddrop, leak=0.3),
    "moco, regularized": partial(moco, beta_decay=0.0, gamma_decay=0.0, rho=0.5),
    "db_mtl, decaying": partial(db_mtl, beta_decay=0.5),
    "excess_mtl, fast": partial(excess_mtl, step_size=0.5),
    "aligned_mtl, median": partial(aligned_mtl, "median"),
    "improvable_gap, early": partial(improvable_gap, base_epoch=0),
    "mgda, as coded": partial(mgda, normalizer="loss+", heads="weighted"),
    "sam_gs, by momentum": partial(sam_gs, gamma=0.0),
    "smooth_tchebycheff, as coded": partial(smooth_tchebycheff, mu=1.0, warmup_epochs=1),
}
ORDERED = {"ldc", "primary"}  # neighbours in the order of the tasks; a task by its number
# Alone, too, these weigh a task by more than its share: by its loss, its gradient, or by what they have learned.
NOT_ONE_ALONE = {
    "auto_lambda",
    "auxinash",
    "boundary_intersection",
    "cagrad",
    "dynamic_task_prioritization",
    "fairgrad",
    "gradient_norm_scaling",
    "imgrad",
    "impartial",
    "impartial_losses",
    "improvable_gap",
    "improvable_gap, early",
    "log_losses",
    "loss_balanced",
    "nash_mtl",
    "sam_gs",
    "sam_gs, by momentum",
    "scale_invariant",
    "smooth_tchebycheff, as coded",
    "uncertainty",
}
every_method = pytest.mark.parametrize("name", [*METHODS, *VARIANTS])
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=4, deadline=None, derandomize=True)


def make_of(name: str) -> Make:
    return VARIANTS.get(name) or METHODS[name]


@every_method
def test_looks_at_what_it_says(name: str) -> None:
    properties.check_looks_at(make_of(name))


@every_method
@few
@given(seeds, st.integers(1, 40))
def test_finite_and_zero_at_shut_gates(name: str, seed: int, num_tasks: int) -> None:
    properties.check_finite(make_of(name), seed, num_tasks)


@pytest.mark.parametrize("name", looking_at("gramian"))
@few
@given(samplers.gramians(), st.booleans(), seeds)
def test_finite_for_gradients_of_any_kind_and_scale(name: str, gramian_KK: Tensor, single: bool, seed: int) -> None:
    properties.check_finite_gramians(make_of(name), gramian_KK, torch.float32 if single else torch.float64, seed)


@every_method
@few
@given(seeds, st.integers(2, 8))
def test_permutation(name: str, seed: int, num_tasks: int) -> None:
    if name not in ORDERED:
        # Of krum's closest two, which have the same score, the first is selected.
        make = partial(krum, num_selected=2) if name == "krum" else make_of(name)
        with properties.solver_steps(3):  # all steps are alike, and take long
            properties.check_permutation(make, seed, num_tasks)


@every_method
@few
@given(seeds, st.integers(2, 8))
def test_shut_gates_count_nowhere(name: str, seed: int, num_tasks: int) -> None:
    with properties.solver_steps(3):  # all steps are alike, and take long
        properties.check_subproblem(make_of(name), seed, num_tasks)
        properties.check_fixed_gates(make_of(name), seed, num_tasks)


@every_method
def test_one_task(name: str) -> None:
    properties.check_one_task(make_of(name), expect_one=name not in NOT_ONE_ALONE)


@every_method
@few
@given(seeds, st.integers(1, 8))
def test_float64(name: str, seed: int, num_tasks: int) -> None:
    properties.check_float64(make_of(name), seed, num_tasks)


@every_method
def test_pure(name: str) -> None:
    properties.check_pure(make_of(name))


@every_method
def test_many_at_once(name: str) -> None:
    properties.check_many_at_once(make_of(name))


@every_method
def test_compiles(name: str) -> None:
    with properties.solver_steps(3):  # all steps are alike, and take long
        properties.check_compiles(make_of(name))
