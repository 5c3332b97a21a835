"""Priority-constrained descent: one task leads, and every other is promised a little progress.

Source: Varam and AlHajri, TMLR 2026
TorchJD: PCD
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, unweighted
from mtl.methods.shared import masked
from mtl.methods.shared.gramian import divide, open_gramian, open_weights, rank_tolerance, regular_cosines
from mtl.methods.shared.options import check_count, check_number
from mtl.methods.shared.solvers import minimize_nonnegative


class PrimaryState(NamedTuple):
    """Of each task: the moving average of its gradients' squared norms, from 0, and how many it has seen, int64."""

    average_K: Tensor
    num_steps_K: Tensor


def primary(task: int = 0, tau: float = 0.02, beta: float = 0.999, eps: float = 1e-8) -> Method[PrimaryState]:
    """PCD, priority-constrained descent (Varam and AlHajri, TMLR 2026).

    d' = argmin_d |d - g'_p|^2  subject to  <g'_t, d> >= tau |g'_t|^2  for every task t but the primary p
    d = |g_p| d' / |d'|,   g'_t = g_t / sqrt(v_t + eps),   v_t the moving average of |g_t|^2, corrected for its start

    d = g_p where no d' meets all constraints (then tau > 0, and no direction descends for all secondary tasks), and
    d = 0 where g_p or d' is 0. Solved in the dual: d' = |g'_p| u_p + sum_t x_t u_t with unit gradients u_t and x >= 0.

    While the primary's gate is shut, the first open task takes its place; a shut gate leaves a task's average as it is.
    The cosines' diagonal is 1 + 1e-6, so that x is unique and finite; a task may then miss its due, tau |g'_t|, by
    1e-6 x_t. Where one misses half of it, the constraints count as impossible. Choose tau = 0 or tau > 1e-4.

    Args:
      task: the primary's number in the order of the tasks, from 0.
      tau: share of its own best progress that each secondary task is promised, in [0, 1].
      beta: decay of the moving average, in [0, 1).
      eps: added to the average, at least 0.

    Example:
      The first task leads; the second, orthogonal, is promised three quarters of its own progress.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(primary(tau=0.75), observe(gramian=[[4.0, 0.0], [0.0, 25.0]]))
      tensor([[0.8000, 0.2400]])
    """
    check_count("primary.task", task, "[0, inf)")
    tau = check_number("primary.tau", tau, "[0, 1]")
    beta = check_number("primary.beta", beta, "[0, 1)")
    eps = check_number("primary.eps", eps, "[0, inf)")

    def init(num_tasks: int, device: torch.device) -> PrimaryState:
        check_count("primary.task", task, f"[0, {num_tasks - 1}]")
        num_steps_K = torch.zeros(num_tasks, dtype=torch.int64, device=device)
        return PrimaryState(torch.zeros(num_tasks, device=device), num_steps_K)

    def update(state: PrimaryState, observation: Observation) -> tuple[Tensor, PrimaryState]:
        open_K = observation.open_K
        cosines_KK, norms_K = regular_cosines(open_gramian(observation))
        average_K, num_steps_K = beta * state.average_K + (1.0 - beta) * norms_K.square(), state.num_steps_K + 1
        corrected_K = average_K / (1.0 - torch.pow(beta, num_steps_K.to(torch.float64)))
        lengths_K = divide(norms_K, (corrected_K + eps).sqrt())

        first_open = open_K.to(torch.int64).argmax()
        is_primary_K = torch.arange(len(open_K), device=open_K.device) == torch.where(open_K[task], task, first_open)
        coefficients_K = _constrained(cosines_KK, lengths_K, is_primary_K, open_K, tau)
        length = _length(coefficients_K, cosines_KK, rank_tolerance(observation))
        primary_norm = torch.where(is_primary_K, norms_K, 0.0).sum()
        weights_K = divide(coefficients_K, norms_K) * divide(primary_norm, length)

        new_state = PrimaryState(average_K.to(state.average_K.dtype), num_steps_K)
        return open_weights(weights_K, observation), masked.hold(open_K, new_state, state)

    return Method(init, update, unweighted, looks_at=("gramian",))


def _constrained(cosines_KK: Tensor, lengths_K: Tensor, is_primary_K: Tensor, open_K: Tensor, tau: float) -> Tensor:
    """d' in terms of the unit gradients: |g'_p| at the primary task, at the others the constraints' multipliers x.

    x = argmin 1/2 x^T C x - sum_t x_t (tau |g'_t| - |g'_p| C_tp)  subject to  x >= 0;  0 if d' is impossible.
    """
    secondary_K = ~is_primary_K & (lengths_K > 0.0)
    dues_K = tau * lengths_K
    # A task without a constraint is given one that holds by itself, so that its x is 0.
    excess_K = torch.where(secondary_K, cosines_KK @ torch.where(is_primary_K, lengths_K, 0.0) - dues_K, 1.0)
    identity_KK = torch.eye(len(open_K), dtype=cosines_KK.dtype, device=cosines_KK.device)
    hessian_KK = torch.where(secondary_K & secondary_K[:, None], cosines_KK, identity_KK)
    x_K = minimize_nonnegative(lambda x_K: (hessian_KK @ x_K + excess_K, hessian_KK), open_K)

    missed_K = (cosines_KK.diagonal() - 1.0) * x_K
    is_impossible = (secondary_K & (missed_K > 0.5 * dues_K)).any() & (tau > 0.0)
    return torch.where(secondary_K, torch.where(is_impossible, 0.0, x_K), lengths_K)


def _length(coefficients_K: Tensor, cosines_KK: Tensor, tolerance: Tensor) -> Tensor:
    """|d'|; 0 where it is so short, for its summands, that it may be rounding or what the ridge has left of 0."""
    ridge = cosines_KK.diagonal().amax() - 1.0
    square = coefficients_K @ cosines_KK @ coefficients_K - ridge * coefficients_K.square().sum()
    least = (tolerance + 100.0 * ridge.square()) * coefficients_K.abs().sum().square()
    return torch.where(square > least, square, 0.0).sqrt()
