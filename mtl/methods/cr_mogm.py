"""CR-MOGM: another method's weights, smoothed over the steps.

Source: Zhou et al., NeurIPS 2022
TorchJD: CRMOGM
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.methods.base import Method, Observation
from mtl.methods.mgda import mgda
from mtl.methods.shared.gramian import open_weights
from mtl.methods.shared.options import check_number


class CrMogmState(NamedTuple):
    """`inner`: the smoothed method's state; `weights_K`: lambda, float32; `seen_K`: bool, the task was open before."""

    inner: Any
    weights_K: Tensor
    seen_K: Tensor


def cr_mogm(inner: Callable[[], Method[Any]] = mgda, alpha: float = 0.9) -> Method[CrMogmState]:
    """Correlation-reduced stochastic multi-objective gradient manipulation (Zhou et al., NeurIPS 2022).

    lambda <- alpha lambda + (1 - alpha) lambda_hat,  lambda_hat the inner method's weights; w = lambda

    A task's lambda starts at its first lambda_hat and stands still while its gate is shut. The paper lets alpha depend
    on the step, towards 1 as the learning rate falls; here it is constant, 0.9 as in TorchJD.

    Args:
      inner: makes the method to smooth, which may not look at the gradients themselves; in the configuration its
        name, with its default options.
      alpha: in [0, 1]; 0 does not smooth, 1 keeps the first weights.

    Example:
      MGDA's weights go from (0.2, 0.8) to (0.8, 0.2); half of that is taken.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(
      ...     cr_mogm(alpha=0.5),
      ...     observe(gramian=[[4.0, 0.0], [0.0, 1.0]]),
      ...     observe(gramian=[[1.0, 0.0], [0.0, 4.0]]),
      ... )
      tensor([[0.2000, 0.8000],
              [0.5000, 0.5000]])
    """
    alpha = check_number("cr_mogm.alpha", alpha, "[0, 1]")
    smoothed = inner()
    if "gradients" in smoothed.looks_at:
        raise UserError(
            "cr_mogm.inner looks at the gradients themselves; choose a method that does not", "cr_mogm.inner"
        )

    def init(num_tasks: int, device: torch.device) -> CrMogmState:
        seen_K = torch.zeros(num_tasks, dtype=torch.bool, device=device)
        return CrMogmState(smoothed.init(num_tasks, device), torch.zeros(num_tasks, device=device), seen_K)

    def update(state: CrMogmState, observation: Observation) -> tuple[Tensor, CrMogmState]:
        new_K, inner_state = smoothed.update(state.inner, observation)
        smooth_K = torch.where(state.seen_K, alpha * state.weights_K + (1.0 - alpha) * new_K, new_K)
        kept_K = torch.where(observation.open_K, smooth_K, state.weights_K).to(state.weights_K.dtype)
        return open_weights(smooth_K, observation), CrMogmState(inner_state, kept_K, state.seen_K | observation.open_K)

    def head_weights(state: CrMogmState, observation: Observation, weights_K: Tensor) -> Tensor:
        return smoothed.head_weights(state.inner, observation, weights_K)

    def after(state: CrMogmState, observation: Observation, new_losses_K: Tensor) -> CrMogmState:
        assert smoothed.after is not None
        return state._replace(inner=smoothed.after(state.inner, observation, new_losses_K))

    return smoothed._replace(
        init=init, update=update, head_weights=head_weights, after=None if smoothed.after is None else after
    )
