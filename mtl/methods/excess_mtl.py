"""ExcessMTL: tasks that are still far from convergence count more, however large their loss.

Source: He et al., ICML 2024
LibMTL: ExcessMTL
TorchJD: ExcessMTL
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.linalg import BLOCK
from mtl.methods.base import Method, Observation, known_gradients
from mtl.methods.shared import masked
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number

FLOOR = 1e-7  # added to S, as in the authors' code


class ExcessState(NamedTuple):
    """`squares_KN`: S. Of each task: log w, and its first e that is not 0, before that 0."""

    squares_KN: Tensor
    log_weights_K: Tensor
    first_excess_K: Tensor


def excess_mtl(step_size: float = 0.01) -> Method[ExcessState]:
    """Robust multi-task learning with excess risks (He et al., ICML 2024).

      S_t <- S_t + g_t^2,   e_t = g_t^T diag(S_t)^(-1/2) g_t,   w_t <- w_t exp(step_size e_t / e_t(first)), normalised

    e_t estimates how far L_t is above what can be reached. The weights are on the simplex, as in the paper; in the
    authors' code they sum to K. e_t(first) is the task's first e, as in that code; the paper's experiments take its
    mean over three epochs. A closed task's state stands still: open tasks share among them what they had together.

    Args:
      step_size: of the weights. The default of the authors' code; its command for Office-Home has 1, and so has
        TorchJD, which moreover takes e_t itself for e_t / e_t(first) in the first step.

    Example:
      The second gradient doubles, the first stays.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(excess_mtl(step_size=1.0), observe(gradients=[[1.0], [1.0]]), observe(gradients=[[1.0], [2.0]]))
      tensor([[0.5000, 0.5000],
              [0.2532, 0.7468]])
    """
    step_size = check_number("excess_mtl.step_size", step_size, "[0, inf)")

    def init(num_tasks: int, device: torch.device, num_coordinates: int) -> ExcessState:
        zeros_K = torch.zeros(num_tasks, device=device)
        return ExcessState(torch.zeros(num_tasks, num_coordinates, device=device), zeros_K, zeros_K.clone())

    def update(state: ExcessState, observation: Observation) -> tuple[Tensor, ExcessState]:
        gradients_KN = known_gradients(observation)
        open_K, log_weights_K = observation.open_K, state.log_weights_K
        squares_KN = torch.addcmul(state.squares_KN, gradients_KN, gradients_KN)  # adds 0 at closed tasks
        excess_K = _excess(gradients_KN, squares_KN)
        first_excess_K = torch.where(state.first_excess_K == 0.0, excess_K, state.first_excess_K)

        raised_K = log_weights_K + step_size * divide(excess_K, first_excess_K)
        raised_K = raised_K - _log_sum(raised_K, open_K) + _log_sum(log_weights_K, open_K)
        log_weights_K = torch.where(open_K, raised_K, log_weights_K)
        new_state = ExcessState(squares_KN, log_weights_K, first_excess_K)
        return masked.softmax(log_weights_K, open_K).to(gradients_KN.dtype), new_state

    return Method(init, update, looks_at=("gradients",), at_features=False)


def _excess(gradients_KN: Tensor, squares_KN: Tensor) -> Tensor:
    """g^T diag(S)^(-1/2) g of each row, in blocks of columns that stay in the cache: K networks are read once."""
    blocks = zip(gradients_KN.split(BLOCK, dim=1), squares_KN.split(BLOCK, dim=1), strict=True)
    parts = [(gradients.square() * (squares + FLOOR).rsqrt()).sum(1) for gradients, squares in blocks]
    return torch.stack(parts).sum(0)


def _log_sum(log_values_K: Tensor, open_K: Tensor) -> Tensor:
    return torch.logsumexp(log_values_K.masked_fill(~open_K, -torch.inf), dim=0)
