"""Group DRO: the larger a task's loss has been, the more it counts.

Source: Sagawa et al., ICLR 2020
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import masked
from mtl.methods.shared.options import check_number


def group_dro(step_size: float = 0.01) -> Method[Tensor]:
    """Distributionally robust optimisation over groups (Sagawa, Koh, Hashimoto and Liang, ICLR 2020), tasks as groups.

    w_t proportional to w_t exp(eta L_t), sum_t w_t = 1: exponentiated ascent on max over the simplex of sum_t w_t L_t

    w starts at 1 / K and moves before it is used. It is kept as log w up to a constant; a closed task's stands still.
    From the authors' code, without its adjustment of the losses for the sizes of the groups.

    Args:
      step_size: eta; 0.01 in the authors' code.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(group_dro(step_size=1.0), *2 * [observe(losses=[1.0, 2.0])])
      tensor([[0.2689, 0.7311],
              [0.1192, 0.8808]])
    """
    step_size = check_number("group_dro.step_size", step_size, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> Tensor:
        return torch.zeros(num_tasks, device=device)

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        open_K = observation.open_K
        logits_K = torch.where(open_K, state + step_size * observation.losses_K, state)
        return masked.softmax(logits_K, open_K).to(observation.losses_K.dtype), logits_K.to(state.dtype)

    return Method(init, update)
