"""Methods and options that were read from their authors' code, against a few lines of NumPy from the same formulas."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.gradients.levels import make_source
from mtl.methods.aligned_mtl import aligned_mtl
from mtl.methods.auxinash import auxinash
from mtl.methods.base import AnyMethod, first_state
from mtl.methods.cagrad import cagrad
from mtl.methods.cr_mogm import cr_mogm
from mtl.methods.fairgrad import fairgrad
from mtl.methods.famo import famo
from mtl.methods.imgrad import imgrad
from mtl.methods.imtl_g import imtl_g
from mtl.methods.log_losses import log_losses
from mtl.methods.mgda import mgda
from mtl.methods.nash_mtl import nash_mtl
from mtl.methods.sam_gs import sam_gs
from mtl.methods.sdmgrad import sdmgrad
from mtl.models.images import augment_and_normalize
from mtl.optim import make_schedule, sgd
from mtl.training.existing_loop import backward
from mtl.training.measuring import make_loss_step
from mtl.training.step import init_state
from tests.methods.properties import CPU, first_weights, observe, to_dtype
from tests.tiny import TASKS, make_batch, make_gates, make_tiny, make_train_step

LOSSES = [0.5, 1.0, 2.0]
SEEDS = (0, 1)


def gradients_of(seed: int, num_tasks: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_tasks, 5)) * [[1.0], [0.5], [2.0]][:num_tasks]


def weights_of(method: AnyMethod, gradients_KN: np.ndarray) -> np.ndarray:
    gramian_KK = torch.from_numpy(gradients_KN @ gradients_KN.T)
    halves = {"halves_KK": gramian_KK} if "halves" in method.looks_at else {}
    return np.array(first_weights(lambda: method, LOSSES[: len(gradients_KN)], gramian_KK=gramian_KK, **halves))


def simplex_grid(num_parts: int = 200) -> np.ndarray:
    """[P, 3], in steps of 1 / num_parts."""
    parts = [(i, j, num_parts - i - j) for i in range(num_parts + 1) for j in range(num_parts + 1 - i)]
    return np.array(parts) / num_parts


GRID_PK = simplex_grid()


@pytest.mark.parametrize("seed", SEEDS)
def test_auxinash_solves_its_equation(seed: int) -> None:
    gradients_KN, preferences = gradients_of(seed), np.array([0.5, 0.75, 1.75])
    weights_K = weights_of(auxinash(tuple(2 * preferences)), gradients_KN)
    assert gradients_KN @ gradients_KN.T @ weights_K == pytest.approx(preferences / weights_K, rel=1e-4)
    equal_K = weights_of(auxinash(), gradients_KN)
    assert equal_K == pytest.approx(weights_of(nash_mtl(), gradients_KN), rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_imgrad_is_the_best_of_a_grid(seed: int) -> None:
    gradients_KN, c = gradients_of(seed), 0.8
    shortest_N = min((GRID_PK @ gradients_KN), key=lambda d: float(d @ d))
    mean_N = gradients_KN.mean(0)
    s = float(mean_N @ shortest_N / np.linalg.norm(mean_N) / np.linalg.norm(shortest_N))
    combined_PN = GRID_PK @ gradients_KN
    radius = c * np.linalg.norm(mean_N)
    worst = np.argmin((1.5 - s) * combined_PN @ mean_N + s * radius * np.linalg.norm(combined_PN, axis=1))
    expected_N = mean_N + radius * combined_PN[worst] / np.linalg.norm(combined_PN[worst])
    actual_N = weights_of(imgrad(c), gradients_KN) @ gradients_KN
    assert np.linalg.norm(actual_N - expected_N) < 0.03 * np.linalg.norm(expected_N)


@pytest.mark.parametrize("normalizer", ["l2", "loss", "loss+"])
@pytest.mark.parametrize("seed", SEEDS)
def test_mgda_of_normalized_gradients(seed: int, normalizer: str) -> None:
    gradients_KN, losses_K1 = gradients_of(seed), np.array(LOSSES)[:, None]
    norms_K1 = np.linalg.norm(gradients_KN, axis=1, keepdims=True)
    divisor_K1 = {"l2": norms_K1, "loss": losses_K1, "loss+": losses_K1 * norms_K1}[normalizer]
    expected_K = weights_of(mgda(), gradients_KN / divisor_K1)
    assert weights_of(mgda(normalizer), gradients_KN) == pytest.approx(expected_K, abs=1e-9)


@pytest.mark.parametrize("inner", [mgda, cagrad, imtl_g])
def test_log_losses_are_the_inner_method_of_their_gradients(inner: type) -> None:
    gradients_KN, losses_K = gradients_of(0), np.array(LOSSES)
    expected_K = weights_of(inner(), gradients_KN / losses_K[:, None]) / losses_K
    assert weights_of(log_losses(inner), gradients_KN) == pytest.approx(expected_K, rel=1e-7)


def test_log_losses_of_scaled_losses_give_the_same_direction() -> None:
    scale_K, gradients_KN = np.array([10.0, 0.1, 3.0]), gradients_of(0)
    scaled = observe(
        np.array(LOSSES) * scale_K,
        gramian_KK=torch.from_numpy(gradients_KN @ gradients_KN.T * scale_K * scale_K[:, None]),
    )
    weights_K, _ = log_losses().update((), scaled)
    assert weights_K.numpy() * scale_K == pytest.approx(weights_of(log_losses(), gradients_KN), rel=1e-9)


@pytest.mark.parametrize("scale", ["median", "rmse"])
def test_aligned_mtl_scales(scale: str) -> None:
    """With w_0 = 1 / K, G^T w has singular values that are all the scale's root."""
    gradients_KN = gradients_of(1)
    eigenvalues_K, vectors_KK = np.linalg.eigh(gradients_KN @ gradients_KN.T)
    level = {"median": np.sort(eigenvalues_K)[1], "rmse": eigenvalues_K.mean()}[scale]
    expected_K = vectors_KK @ (np.sqrt(level / eigenvalues_K) * (np.full(3, 1 / 3) @ vectors_KK))
    assert weights_of(aligned_mtl(scale), gradients_KN) == pytest.approx(expected_K, rel=1e-9)


def test_scales_and_heads_as_coded() -> None:
    gradients_KN = gradients_of(0)
    for paper, code in ((fairgrad(), fairgrad(scale="code")), (sdmgrad(), sdmgrad(scale="code"))):
        assert weights_of(code, gradients_KN) == pytest.approx(3.0 * weights_of(paper, gradients_KN))
    weights_K = torch.tensor([0.2, 0.8])
    for method in (mgda(heads="weighted"), nash_mtl("weighted"), auxinash(heads="weighted")):
        assert torch.equal(method.head_weights((), observe([1.0, 1.0]), weights_K), weights_K)
    assert torch.equal(mgda().head_weights((), observe([1.0, 1.0]), weights_K), torch.ones(2))


def sam_gs_of(gradients_TKN: np.ndarray, gamma: float, momentum: float = 0.9, beta2: float = 0.99) -> list[np.ndarray]:
    """Its directions, step by step."""
    m, v, directions = np.zeros_like(gradients_TKN[0]), 0.0, []
    for step, g in enumerate(gradients_TKN, start=1):
        norms = np.linalg.norm(g, axis=1)
        pairs = [(i, j) for i in range(len(g)) for j in range(i)]
        s = np.mean([2 * norms[i] * norms[j] / (norms[i] ** 2 + norms[j] ** 2) for i, j in pairs])
        m = momentum * m + (1 - momentum) * g
        v = beta2 * v + (1 - beta2) * (1 - s) ** 2 + 1e-8
        if s < gamma:
            directions.append((norms.mean() * g / norms[:, None]).sum(0))
        else:
            m_hat, v_hat = m / (1 - momentum**step), v / (1 - beta2**step)
            directions.append((g * abs(m_hat) / np.sqrt(v_hat)).sum(0))
    return directions


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_sam_gs_against_a_loop(gamma: float) -> None:
    gradients_TKN = np.stack([gradients_of(seed) for seed in range(4)])
    method = sam_gs(gamma)
    state = to_dtype(first_state(method, 3, CPU, 5), torch.float64)
    for gradients_KN, expected_N in zip(gradients_TKN, sam_gs_of(gradients_TKN, gamma), strict=True):
        observation = observe(LOSSES, gradients_KN=torch.from_numpy(gradients_KN))
        weights_K, state = method.update(state, observation)
        assert (weights_K @ method.gradients(state, observation)).numpy() == pytest.approx(expected_N, rel=1e-9)


def test_famo_learns_from_the_same_batch_after_the_step() -> None:
    """As the paper's: log L falls by log 2, -log 3, log 4; its mean is 0.33, so xi_2 alone has a negative gradient."""
    method = famo(compared_with="same_batch")
    observation = observe([0.25, 1.0, 4.0])
    _, state = method.update(to_dtype(method.init(3, CPU), torch.float64), observation)
    assert method.after is not None and not state.logits.values_K.any()
    state = method.after(state, observation, torch.tensor([0.125, 3.0, 1.0], dtype=torch.float64))
    assert state.logits.values_K.tolist() == pytest.approx([-0.025, 0.025, -0.025])
    around = cr_mogm(lambda: method)
    assert around.after is not None
    outer = around.after(around.init(3, CPU), to_dtype(observation, torch.float32), torch.tensor([0.125, 3.0, 1.0]))
    assert outer.inner.logits.values_K.tolist() == pytest.approx([-0.025, 0.025, -0.025])


def test_a_step_shows_famo_the_losses_after_it() -> None:
    seen: list[Tensor] = []
    method = famo(compared_with="same_batch")

    def after(state: object, observation: object, losses_K: Tensor) -> object:
        seen.append(losses_K)
        return state

    method = method._replace(after=after)
    model, params, buffers = make_tiny()
    state = init_state(model, params, buffers, sgd(), method)
    step = make_train_step(model, sgd(), make_schedule("constant", 0.1, 1, 0), method, make_source(model, method))
    batch = make_batch(6)
    new, _ = step(state, batch, make_gates(TASKS, True, True, True))
    again = batch._replace(inputs=augment_and_normalize(batch.inputs, batch.augmentation))
    expected = make_loss_step(model)(new.params, new.buffers, again)
    assert [each.tolist() for each in seen] == [pytest.approx([float(expected[task]) for task in TASKS], abs=1e-6)]


def test_a_loop_of_ones_own_is_told_that_it_shows_no_losses_after_the_step() -> None:
    trunk = torch.nn.Linear(2, 2)
    features = trunk(torch.ones(1, 2))
    losses = {"a": features[0, 0] ** 2, "b": features[0, 1] ** 2}
    with pytest.raises(UserError, match="after the step"):
        backward(losses, famo(compared_with="same_batch"), features=features)
