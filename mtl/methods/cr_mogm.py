"""CR-MOGM: another method's weights, smoothed over the steps."""

from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from mtl.methods.interface import Method, Observation
from mtl.methods.options import check_number
from mtl.methods.solvers import open_weights

Inner = TypeVar("Inner")


class CrMogmState(NamedTuple, Generic[Inner]):
    """`inner`: the smoothed method's state; `weights_K`: lambda, float32; `seen_K`: bool, the task was open before."""

    inner: Inner
    weights_K: Tensor
    seen_K: Tensor


def cr_mogm(inner: Method[Inner], alpha: float = 0.9) -> Method[CrMogmState[Inner]]:
    """Correlation-reduced stochastic multi-objective gradient manipulation (Zhou et al., NeurIPS 2022).

    lambda <- alpha lambda + (1 - alpha) lambda_hat,  lambda_hat the inner method's weights; w = lambda

    A task's lambda starts at its first lambda_hat and stands still while its gate is shut. The paper lets alpha depend
    on the step, towards 1 as the learning rate falls; here it is constant, 0.9 as in TorchJD.

    Args:
      inner: the method to smooth.
      alpha: in [0, 1]; 0 does not smooth, 1 keeps the first weights.
    """
    alpha = check_number("cr_mogm.alpha", alpha, "[0, 1]")

    def init(num_tasks: int, device: torch.device) -> CrMogmState[Inner]:
        seen_K = torch.zeros(num_tasks, dtype=torch.bool, device=device)
        return CrMogmState(inner.init(num_tasks, device), torch.zeros(num_tasks, device=device), seen_K)

    def update(state: CrMogmState[Inner], observation: Observation) -> tuple[Tensor, CrMogmState[Inner]]:
        new_K, inner_state = inner.update(state.inner, observation)
        smooth_K = torch.where(state.seen_K, alpha * state.weights_K + (1.0 - alpha) * new_K, new_K)
        kept_K = torch.where(observation.open_K, smooth_K, state.weights_K).to(state.weights_K.dtype)
        return open_weights(smooth_K, observation), CrMogmState(inner_state, kept_K, state.seen_K | observation.open_K)

    def head_weights(state: CrMogmState[Inner], observation: Observation, weights_K: Tensor) -> Tensor:
        return inner.head_weights(state.inner, observation, weights_K)

    return Method(init, update, head_weights, inner.needs_halves, inner.needs_positive_losses)
