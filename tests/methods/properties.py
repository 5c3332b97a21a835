"""What every balancing method must do, whatever its formula. Each check takes a function that makes the method.

The checks read no weight's value, so they hold for methods of any kind. K tasks; T steps.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from mtl.methods.interface import Method, Observation

Make = Callable[[], Method[Any]]
CPU = torch.device("cpu")


def observe(losses: Iterable[float], **fields: Any) -> Observation:
    """An observation in float64: gates open, orthonormal gradients, first step of an epoch; `fields` replace these."""
    losses_K = torch.tensor(list(losses), dtype=torch.float64)
    usual = Observation(
        losses_K=losses_K,
        gramian_KK=torch.eye(len(losses_K), dtype=torch.float64),
        halves_KK=torch.eye(len(losses_K), dtype=torch.float64),
        open_K=torch.ones(len(losses_K), dtype=torch.bool),
        uniforms_K=torch.full_like(losses_K, 0.5),
        learning_rate=torch.tensor(0.01, dtype=torch.float64),
        epoch_step=torch.tensor(0),
    )
    return usual._replace(**fields)


def init64(make: Make, num_tasks: int) -> Any:
    """The method's first state, in float64."""
    return to_dtype(make().init(num_tasks, CPU), torch.float64)


def to_dtype(tree: Any, dtype: torch.dtype) -> Any:
    """Casts the floating-point leaves."""
    return tree_map(lambda leaf: leaf.to(dtype) if leaf.is_floating_point() else leaf, tree)


def sequence(
    seed: int, num_tasks: int, num_steps: int = 7, decades: float = 0.5, gated: bool = False
) -> list[Observation]:
    """Random observations of epochs of three steps; losses are log-uniform between 10^-decades and 10^decades."""
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
                open_K=open_K if gated else torch.ones_like(open_K),
                uniforms_K=uniform(num_tasks),
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


def run(make: Make, state: Any, observations: list[Observation]) -> tuple[list[Tensor], Any]:
    """The weights of each step and the last state."""
    weights_TK, method = [], make()
    for observation in observations:
        weights_K, state = method.update(state, observation)
        weights_TK.append(weights_K)
    return weights_TK, state


def assert_trees_close(actual: Any, expected: Any) -> None:
    leaves, others = tree_leaves(actual), tree_leaves(expected)
    assert len(leaves) == len(others)
    for leaf, other in zip(leaves, others, strict=True):
        torch.testing.assert_close(leaf, other, rtol=1e-7, atol=1e-9)


def check_finite(make: Make, seed: int, num_tasks: int) -> None:
    """In float32, for losses from 1e-6 to 1e6 and changing gates: finite weights and state, and 0 at shut gates."""
    observations = to_dtype(sequence(seed, num_tasks, decades=6.0, gated=True), torch.float32)
    weights_TK, state = run(make, make().init(num_tasks, CPU), observations)
    for weights_K, observation in zip(weights_TK, observations, strict=True):
        assert weights_K.shape == (num_tasks,) and weights_K.dtype == torch.float32
        assert torch.isfinite(weights_K).all()
        assert (weights_K[~observation.open_K] == 0).all()
    assert all(torch.isfinite(leaf).all() for leaf in tree_leaves(state))


def check_permutation(make: Make, seed: int, num_tasks: int) -> None:
    """Tasks in another order have the same weights in that order."""
    observations = sequence(seed, num_tasks, gated=True)
    order = torch.randperm(num_tasks, generator=torch.Generator().manual_seed(seed))
    weights_TK, _ = run(make, init64(make, num_tasks), observations)
    permuted_TK, _ = run(make, init64(make, num_tasks), select(observations, order, num_tasks))
    assert_trees_close(permuted_TK, select(weights_TK, order, num_tasks))


def check_subproblem(make: Make, seed: int, num_tasks: int) -> None:
    """A shut gate is as if the task were not there, in every step of changing gates, and its state stands still."""
    method, state = make(), init64(make, num_tasks)
    for observation in sequence(seed, num_tasks, gated=True):
        tasks = observation.open_K.nonzero().flatten()
        absent = (~observation.open_K).nonzero().flatten()
        weights_K, new_state = method.update(state, observation)
        alone = method.update(select(state, tasks, num_tasks), select(observation, tasks, num_tasks))
        assert_trees_close(select((weights_K, new_state), tasks, num_tasks), alone)
        for before, after in zip(tree_leaves(state), tree_leaves(new_state), strict=True):
            if before.dim() == 1:
                assert torch.equal(before[absent], after[absent])
        state = new_state


def check_fixed_gates(make: Make, seed: int, num_tasks: int) -> None:
    """With the same gates all along, the open tasks have the weights of a method that was made for them alone."""
    open_K = sequence(seed, num_tasks, gated=True)[0].open_K
    tasks = open_K.nonzero().flatten()
    observations = [observation._replace(open_K=open_K) for observation in sequence(seed, num_tasks)]
    weights_TK, _ = run(make, init64(make, num_tasks), observations)
    alone_TK, _ = run(make, init64(make, len(tasks)), select(observations, tasks, num_tasks))
    assert_trees_close([weights_K[tasks] for weights_K in weights_TK], alone_TK)


def check_one_task(make: Make, expect_one: bool) -> None:
    """A task alone has a positive weight in every step: 1, unless the method's formula says otherwise."""
    weights_TK, _ = run(make, init64(make, 1), sequence(seed=3, num_tasks=1))
    for weights_K in weights_TK:
        assert weights_K > 0
        if expect_one:
            torch.testing.assert_close(weights_K, torch.ones(1, dtype=torch.float64))


def check_float64(make: Make, seed: int, num_tasks: int) -> None:
    """Computes in the precision of its inputs, and float32 agrees with float64."""
    observations = sequence(seed, num_tasks, gated=True)
    exact_TK, state = run(make, init64(make, num_tasks), observations)
    assert all(leaf.dtype == torch.float64 for leaf in tree_leaves((exact_TK, state)) if leaf.is_floating_point())
    rounded_TK, _ = run(make, make().init(num_tasks, CPU), to_dtype(observations, torch.float32))
    for exact_K, rounded_K in zip(exact_TK, rounded_TK, strict=True):
        torch.testing.assert_close(rounded_K, exact_K.float(), rtol=1e-3, atol=1e-4)


def check_pure(make: Make, num_tasks: int = 4) -> None:
    """An update writes into nothing that it was given, and the same arguments give the same result."""
    method, (first, second) = make(), sequence(seed=5, num_tasks=num_tasks, num_steps=2, gated=True)
    _, state = method.update(init64(make, num_tasks), first)
    copies = tree_map(torch.clone, (state, second))
    once = method.update(state, second)
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves((state, second)), tree_leaves(copies), strict=True))
    again = method.update(state, second)
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(once), tree_leaves(again), strict=True))


def check_compiles(make: Make, num_tasks: int = 4) -> None:
    """Compiles to one graph, which gives the same numbers in every step without compiling again."""
    method, observations = make(), sequence(seed=7, num_tasks=num_tasks, num_steps=5, gated=True)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled = Method(method.init, torch.compile(method.update, fullgraph=True, backend="eager"))
        assert_trees_close(
            run(lambda: compiled, init64(make, num_tasks), observations),
            run(make, init64(make, num_tasks), observations),
        )
