"""SDMGrad's inner problem: values by hand, how near its solution is to the optimum, and TorchJD's iterations."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchjd.aggregation import SDMGradWeighting

from mtl.methods.sdmgrad import sdmgrad
from tests.methods.properties import observe
from tests.methods.samplers import gradients

LAMBDA = 0.3  # the default


def weights_of(halves_KK: np.ndarray, regularization: float = LAMBDA) -> Tensor:
    observation = observe([1.0] * len(halves_KK), halves_KK=torch.from_numpy(halves_KK))
    return sdmgrad(regularization).update((), observation)[0]


def two_halves(kind: str, num_tasks: int, seed: int, noise: float) -> np.ndarray:
    """<g_i, g'_j> of gradients with independent noise, `noise` times as long as what they have in common."""
    common_KN = gradients(kind, num_tasks, seed)
    lengths_K1 = noise * np.linalg.norm(common_KN, axis=1, keepdims=True) / np.sqrt(common_KN.shape[1])
    noise_2KN = np.random.default_rng([seed, 1]).standard_normal((2, *common_KN.shape))
    first_KN, second_KN = common_KN + lengths_K1 * noise_2KN
    return first_KN @ second_KN.T


def raised_to_noise(halves_KK: np.ndarray) -> np.ndarray:
    values_K, vectors_KK = np.linalg.eigh((halves_KK + halves_KK.T) / 2)
    return (vectors_KK * np.maximum(values_K, -values_K[0])) @ vectors_KK.T


def optimum(matrix_KK: np.ndarray, support_K: np.ndarray) -> np.ndarray:
    """w on the simplex, without a ridge: from the optimality conditions on that support, which are then checked."""
    num_tasks, size = len(matrix_KK), support_K.sum()
    mean_K = np.full(num_tasks, LAMBDA / num_tasks)
    equations = np.block([[matrix_KK[np.ix_(support_K, support_K)], -np.ones((size, 1))], [np.ones(size), 0.0]])
    solution = np.linalg.solve(equations, np.append(-(matrix_KK @ mean_K)[support_K], 1.0))
    weights_K = np.zeros(num_tasks)
    weights_K[support_K] = solution[:-1]
    above_K = matrix_KK @ (weights_K + mean_K) - solution[-1]
    assert (weights_K >= 0.0).all() and (above_K >= -1e-9 * np.trace(matrix_KK)).all()
    return weights_K


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", ["full_rank", "conflicting", "unbalanced"])
@pytest.mark.parametrize("num_tasks", [2, 8, 40])
def test_solves_its_problem(num_tasks: int, kind: str, noise: float) -> None:
    """L1 distance to the optimum, of 2 at most. What is left is the ridge's: it is largest for opposed gradients."""
    for seed in range(10):
        halves_KK = two_halves(kind, num_tasks, seed, noise)
        weights_K = (1 + LAMBDA) * weights_of(halves_KK).numpy() - LAMBDA / num_tasks
        optimal_K = optimum(raised_to_noise(halves_KK), weights_K > 1e-7)
        assert np.abs(weights_K - optimal_K).sum() < 1e-3


@pytest.mark.parametrize("num_tasks", [1, 2, 5, 8])
def test_agrees_with_torchjd_where_that_settles(num_tasks: int) -> None:
    """Halves that agree, and 500 steps of size 1 on gradients of like length."""
    rows_KN = torch.from_numpy(gradients("full_rank", num_tasks, 0))
    halves_KK = rows_KN @ rows_KN.T
    expected_K = SDMGradWeighting(lr=1.0, n_iter=500)(halves_KK)
    torch.testing.assert_close(weights_of(halves_KK.numpy()), expected_K, rtol=1e-5, atol=1e-5)


def test_the_steps_of_others_do_not_settle() -> None:
    """TorchJD's, 20 of size 10 as in the authors' code, and of size 1 on gradients of unlike length or opposed."""
    for kind, learning_rate in [("full_rank", 10.0), ("unbalanced", 1.0), ("conflicting", 1.0)]:
        halves_KK = two_halves(kind, 40, 0, 0.0)
        theirs_K = SDMGradWeighting(lr=learning_rate)(torch.from_numpy(halves_KK))
        assert (theirs_K - weights_of(halves_KK)).abs().sum() > 0.5


def test_without_lambda_it_solves_mgda() -> None:
    """Orthogonal gradients of squared length 4 and 1: w proportional to 1 / |g|^2."""
    assert weights_of(np.diag([4.0, 1.0]), 0.0).tolist() == pytest.approx([0.2, 0.8])


def test_a_large_lambda_is_the_mean_gradient() -> None:
    assert weights_of(np.diag([4.0, 1.0]), 1e9).tolist() == pytest.approx([0.5, 0.5])


def test_halves_that_contradict_each_other() -> None:
    """Eigenvalues 4 and -1 become 4 and 1. With lambda = 1 the slopes 4 (w_1 + 1/2) and w_2 + 1/2 are 2 and 1.5 at
    w = (0, 1), so that task 1 stays out, and the weights are the mean of w and 1/2."""
    assert weights_of(np.diag([4.0, -1.0]), 1.0).tolist() == pytest.approx([0.25, 0.75])


def test_only_the_symmetric_part_counts() -> None:
    halves_KK = two_halves("full_rank", 5, 0, 0.2)
    torch.testing.assert_close(weights_of(halves_KK), weights_of(halves_KK.T.copy()))
    assert np.abs(halves_KK - halves_KK.T).max() > 1.0
