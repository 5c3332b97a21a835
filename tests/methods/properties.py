"""What every balancing method must do, whatever its formula. Each check takes a function that makes the method.

The checks read no weight's value, so they hold for methods of any kind. K tasks; T steps.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from mtl.methods.base import AnyMethod, Observation, first_state, known_gradients

Make = Callable[[], AnyMethod]
CPU = torch.device("cpu")


@contextmanager
def solver_steps(number: int) -> Iterator[None]:
    """With so many steps of the solvers, each of which divides mu by about 10: for what holds after any number."""
    with pytest.MonkeyPatch.context() as patch:
        for place in ("shared.solvers.NUM_STEPS", "fairgrad.NUM_STEPS", "go4align.NUM_ITERATIONS"):
            module, _, name = place.rpartition(".")
            patch.setattr(sys.modules[f"mtl.methods.{module}"], name, number)
        yield


def observe(losses: Iterable[float], **fields: Any) -> Observation:
    """An observation in float64: gates open, orthonormal gradients, first step of an epoch; `fields` replace these."""
    losses_K = torch.tensor(list(losses), dtype=torch.float64)
    usual = Observation(
        losses_K=losses_K,
        gramian_KK=torch.eye(len(losses_K), dtype=torch.float64),
        halves_KK=torch.eye(len(losses_K), dtype=torch.float64),
        gradients_KN=torch.eye(len(losses_K), len(losses_K) + 2, dtype=torch.float64),
        open_K=torch.ones(len(losses_K), dtype=torch.bool),
        uniforms_K=torch.full_like(losses_K, 0.5),
        learning_rate=torch.tensor(0.01, dtype=torch.float64),
        epoch_step=torch.tensor(0),
    )
    return usual._replace(**fields)


def init64(make: Make, num_tasks: int, num_coordinates: int | None = None) -> Any:
    """The method's first state, in float64; for as many coordinates as `sequence` has unless told otherwise."""
    return to_dtype(first_state(make(), num_tasks, CPU, num_coordinates or num_tasks + 2), torch.float64)


def to_dtype(tree: Any, dtype: torch.dtype) -> Any:
    """Casts the floating-point leaves."""
    return tree_map(lambda leaf: leaf.to(dtype) if leaf.is_floating_point() else leaf, tree)


def sequence(
    seed: int, num_tasks: int, num_steps: int = 5, decades: float = 0.5, gated: bool = False
) -> list[Observation]:
    """Random observations of epochs of three steps; losses are log-uniform between 10^-decades and 10^decades.

    Gradients have K + 2 coordinates: `select` goes by size.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    observations = []
    for step in range(num_steps):
        gradients_KN, halves_2KN = uniform(num_tasks, num_tasks + 2) - 0.5, uniform(2, num_tasks, num_tasks + 2) - 0.5
        open_K = uniform(num_tasks) < 0.6
        open_K[int(num_tasks * uniform(1))] = True
        observations.append(
            observe(
                10 ** (decades * (2 * uniform(num_tasks) - 1)),
                gramian_KK=gradients_KN @ gradients_KN.T,
                halves_KK=halves_2KN[0] @ (halves_2KN[0] + 0.3 * halves_2KN[1]).T,  # as of one mean, with noise
                gradients_KN=gradients_KN * (open_K[:, None] if gated else 1.0),
                open_K=open_K if gated else torch.ones_like(open_K),
                uniforms_K=uniform(num_tasks).float().double(),  # float32's, as in training
                epoch_step=torch.tensor(step % 3),
            )
        )
    return observations


def select(tree: Any, index: Tensor, num_tasks: int) -> Any:
    """Takes the tasks of `index` along every dimension of size K."""

    def of_leaf(leaf: Tensor) -> Tensor:
        for dim in range(leaf.dim()):
            leaf = leaf.index_select(dim, index) if leaf.shape[dim] == num_tasks else leaf
        return leaf

    return tree_map(of_leaf, tree)


def answer(method: AnyMethod, state: Any, observation: Observation) -> tuple[tuple[Tensor, ...], Any]:
    """The weights, with the direction if the method looks at the gradients themselves; and the new state."""
    weights_K, state = method.update(state, observation)
    if "gradients" in method.looks_at:
        return (weights_K, weights_K @ method.gradients(state, observation)), state
    return (weights_K,), state


def answers(make: Make, state: Any, observations: list[Observation]) -> tuple[list[tuple[Tensor, ...]], Any]:
    """Those of each step, and the last state."""
    method, given = make(), []
    for observation in observations:
        one, state = answer(method, state, observation)
        given.append(one)
    return given, state


def run(make: Make, state: Any, observations: list[Observation]) -> tuple[list[Tensor], Any]:
    """The weights of each step, and the last state."""
    given, state = answers(make, state, observations)
    return [weights_K for weights_K, *_ in given], state


def gramian_of(*rows: tuple[float, ...]) -> Tensor:
    jacobian_KN = torch.tensor(rows, dtype=torch.float64)
    return jacobian_KN @ jacobian_KN.T


def first_weights(make: Make, losses: list[float], **fields: Any) -> list[float]:
    weights_TK, _ = run(make, init64(make, len(losses)), [observe(losses, **fields)])
    return weights_TK[0].tolist()


def first_weights_of(make: Make, *rows: tuple[float, ...], **fields: Any) -> list[float]:
    return first_weights(make, len(rows) * [1.0], gramian_KK=gramian_of(*rows), **fields)


def assert_trees_close(actual: Any, expected: Any, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    leaves, others = tree_leaves(actual), tree_leaves(expected)
    assert len(leaves) == len(others)
    for leaf, other in zip(leaves, others, strict=True):
        torch.testing.assert_close(leaf, other, rtol=rtol, atol=atol)


def check_looks_at(make: Make, num_tasks: int = 4) -> None:
    """What the method does not say that it looks at may be anything: here, not a number."""
    method, observations = make(), sequence(seed=11, num_tasks=num_tasks, num_steps=3)
    fields = {"losses": "losses_K", "gramian": "gramian_KK", "halves": "halves_KK", "gradients": "gradients_KN"}
    unseen = {field for look, field in fields.items() if look not in method.looks_at}
    hidden = [
        each._replace(**{field: torch.full_like(getattr(each, field), torch.nan) for field in unseen})
        for each in observations
    ]
    known, blind = (answers(make, init64(make, num_tasks), steps) for steps in (observations, hidden))
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(known), tree_leaves(blind), strict=True))


def check_finite(make: Make, seed: int, num_tasks: int) -> None:
    """In float32, for losses from 1e-6 to 1e6 and changing gates: finite weights and state, and 0 at shut gates."""
    observations = to_dtype(sequence(seed, num_tasks, decades=6.0, gated=True), torch.float32)
    given, state = answers(make, first_state(make(), num_tasks, CPU, num_tasks + 2), observations)
    for (weights_K, *direction), observation in zip(given, observations, strict=True):
        assert weights_K.shape == (num_tasks,) and weights_K.dtype == torch.float32
        assert all(torch.isfinite(tensor).all() for tensor in (weights_K, *direction))
        assert (weights_K[~observation.open_K] == 0).all()
        assert torch.isfinite(make().head_weights(state, observation, weights_K)).all()
    assert all(torch.isfinite(leaf).all() for leaf in tree_leaves(state))


def check_finite_gramians(make: Make, gramian_KK: Tensor, dtype: torch.dtype, seed: int) -> None:
    """Step after step of changing scales, and with all gradients 0; in the type of the input, which stays as it is."""
    num_tasks = len(gramian_KK)
    method, state, before_KK = make(), to_dtype(make().init(num_tasks, CPU), dtype), gramian_KK.clone()
    observations = sequence(seed, num_tasks, num_steps=3, decades=6.0, gated=True)
    for observation, scale in zip(observations, (1.0, 0.0, 1e-8), strict=True):
        observation = to_dtype(observation._replace(gramian_KK=scale * gramian_KK), dtype)
        weights_K, state = method.update(state, observation)
        assert weights_K.dtype == dtype and weights_K.isfinite().all()
        assert method.head_weights(state, observation, weights_K).isfinite().all()
    assert torch.equal(gramian_KK, before_KK)


def check_permutation(make: Make, seed: int, num_tasks: int) -> None:
    """Tasks in another order have the same weights in that order."""
    observations = sequence(seed, num_tasks, gated=True)
    order = torch.randperm(num_tasks, generator=torch.Generator().manual_seed(seed))
    given, _ = answers(make, init64(make, num_tasks), observations)
    permuted, _ = answers(make, init64(make, num_tasks), select(observations, order, num_tasks))
    assert_trees_close(permuted, select(given, order, num_tasks), rtol=1e-6, atol=1e-7)


def check_subproblem(make: Make, seed: int, num_tasks: int) -> None:
    """A shut gate is as if the task were not there, in every step of changing gates, and its state stands still."""
    method, state = make(), init64(make, num_tasks)
    for observation in sequence(seed, num_tasks, gated=True):
        tasks = observation.open_K.nonzero().flatten()
        absent = (~observation.open_K).nonzero().flatten()
        given, new_state = answer(method, state, observation)
        alone = answer(method, select(state, tasks, num_tasks), select(observation, tasks, num_tasks))
        assert_trees_close(select((given, new_state), tasks, num_tasks), alone, rtol=1e-6, atol=1e-7)
        for before, after in zip(tree_leaves(state), tree_leaves(new_state), strict=True):
            if before.dim() > 0:
                assert torch.equal(before[absent], after[absent])
        state = new_state


def check_fixed_gates(make: Make, seed: int, num_tasks: int) -> None:
    """With the same gates all along, the open tasks have the weights of a method that was made for them alone."""
    open_K = sequence(seed, num_tasks, gated=True)[0].open_K
    tasks = open_K.nonzero().flatten()
    observations = [
        each._replace(open_K=open_K, gradients_KN=known_gradients(each) * open_K[:, None])
        for each in sequence(seed, num_tasks)
    ]
    given, _ = answers(make, init64(make, num_tasks), observations)
    alone, _ = answers(make, init64(make, len(tasks), num_tasks + 2), select(observations, tasks, num_tasks))
    assert_trees_close(select(given, tasks, num_tasks), alone, rtol=1e-6, atol=1e-6)  # 1 / K is float32 at the start


def check_one_task(make: Make, expect_one: bool) -> None:
    """A task alone has a positive weight in every step: 1, unless the method's formula says otherwise."""
    weights_TK, _ = run(make, init64(make, 1), sequence(seed=3, num_tasks=1))
    for weights_K in weights_TK:
        assert weights_K > 0
        if expect_one:
            torch.testing.assert_close(weights_K, torch.ones(1, dtype=torch.float64), rtol=2e-6, atol=0.0)


def check_float64(make: Make, seed: int, num_tasks: int) -> None:
    """Computes in the precision of its inputs, and float32 agrees with float64."""
    observations = sequence(seed, num_tasks, gated=True)
    exact, state = answers(make, init64(make, num_tasks), observations)
    assert all(leaf.dtype == torch.float64 for leaf in tree_leaves((exact, state)) if leaf.is_floating_point())
    first = first_state(make(), num_tasks, CPU, num_tasks + 2)
    rounded, _ = answers(make, first, to_dtype(observations, torch.float32))
    assert_trees_close(rounded, to_dtype(exact, torch.float32), rtol=1e-3, atol=1e-4)


def check_pure(make: Make, num_tasks: int = 4) -> None:
    """An update writes into nothing that it was given, and the same arguments give the same result."""
    method, (first, second) = make(), sequence(seed=5, num_tasks=num_tasks, num_steps=2, gated=True)
    _, state = method.update(init64(make, num_tasks), first)
    copies = tree_map(torch.clone, (state, second))
    once = answer(method, state, second)
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves((state, second)), tree_leaves(copies), strict=True))
    again = answer(method, state, second)
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(once), tree_leaves(again), strict=True))


def check_many_at_once(make: Make, num_tasks: int = 4) -> None:
    """Under vmap over runs, each with its own state, as one run after the other."""
    method, state = make(), init64(make, num_tasks)
    runs = [(state, sequence(seed, num_tasks, num_steps=1, gated=True)[0]) for seed in range(3)]
    stacked = tree_map(lambda *leaves: torch.stack(leaves), *runs)
    together = torch.func.vmap(lambda state, observation: answer(method, state, observation))(*stacked)
    for index, one in enumerate(runs):
        assert_trees_close(tree_map(lambda leaf, i=index: leaf[i], together), answer(method, *one))


def check_compiles(make: Make, num_tasks: int = 4) -> None:
    """Compiles to one graph, which gives the same numbers in every step without compiling again."""
    method, observations = make(), sequence(seed=7, num_tasks=num_tasks, gated=True)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled = method._replace(update=torch.compile(method.update, fullgraph=True, backend="eager"))
        assert_trees_close(
            run(lambda: compiled, init64(make, num_tasks), observations),
            run(make, init64(make, num_tasks), observations),
        )
