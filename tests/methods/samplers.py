"""Gradients that are hard to balance, and observations made of them."""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from mtl.methods.base import Observation

KINDS = ("full_rank", "deficient", "near_parallel", "conflicting", "opposed", "zero_row", "unbalanced")


def gradients(kind: str, num_tasks: int, seed: int) -> np.ndarray:
    """[K, n] float64, n = 3 K (less for "deficient"), of norm about sqrt(n).

    full_rank: independent normal numbers. deficient: rank K / 2. near_parallel: to 1e-4. conflicting: every second one
    near the opposite of the others. opposed: all on one line, every second one backwards, so that no direction descends
    for all. zero_row: the last of several is 0. unbalanced: norms over three orders of magnitude.
    """
    generator = np.random.default_rng(seed)
    num_parameters = max(num_tasks // 2, 1) if kind == "deficient" else 3 * num_tasks
    normal_KN = generator.standard_normal((num_tasks, num_parameters))
    line_N = generator.standard_normal(num_parameters)
    signs_K1 = np.where(np.arange(num_tasks) % 2 == 0, 1.0, -1.0)[:, None]
    match kind:
        case "near_parallel":
            return line_N + 1e-4 * normal_KN
        case "conflicting":
            return signs_K1 * line_N + 0.1 * normal_KN
        case "opposed":
            return signs_K1 * generator.uniform(0.5, 2.0, (num_tasks, 1)) * line_N
        case "zero_row":
            return normal_KN * (np.arange(num_tasks) < max(num_tasks - 1, 1))[:, None]
        case "unbalanced":
            return normal_KN * generator.permutation(np.logspace(-1.5, 1.5, num_tasks))[:, None]
    return normal_KN


def jacobians(num_tasks: int, number: int) -> Tensor:
    """[number, K, 3 K] float64: every second one of full rank, the others with some gradients far longer."""
    kinds = ("full_rank", "unbalanced")
    return torch.from_numpy(np.stack([gradients(kinds[n % 2], num_tasks, seed=n) for n in range(number)]))


def gramians(kinds: tuple[str, ...] = KINDS, sizes: tuple[int, ...] = (1, 2, 3, 5, 8, 40)) -> st.SearchStrategy[Tensor]:
    """Gramians in float64 of every kind and size, of gradients times 1e-6 to 1e6."""

    def make(kind: str, num_tasks: int, exponent: float, seed: int) -> Tensor:
        jacobian_KN = gradients(kind, num_tasks, seed) * 10.0**exponent
        return torch.from_numpy(jacobian_KN @ jacobian_KN.T)

    return st.builds(
        make, st.sampled_from(kinds), st.sampled_from(sizes), st.floats(-6.0, 6.0), st.integers(0, 2**32 - 1)
    )


def observe(gramian_KK: Tensor, open_K: Tensor | None = None, uniforms_K: Tensor | None = None) -> Observation:
    """All gates open and the same order of visits, unless told otherwise."""
    num_tasks = len(gramian_KK)
    return Observation(
        losses_K=torch.ones(num_tasks, dtype=gramian_KK.dtype),
        gramian_KK=gramian_KK,
        halves_KK=gramian_KK,
        open_K=torch.ones(num_tasks, dtype=torch.bool) if open_K is None else open_K,
        uniforms_K=torch.linspace(0.1, 0.9, num_tasks) if uniforms_K is None else uniforms_K,
        learning_rate=torch.tensor(0.1),
        epoch_step=torch.tensor(0),
    )
