"""GO4Align: tasks of similar risk share a weight.

Source: Shen et al., NeurIPS 2024
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import masked
from mtl.methods.shared.options import check_count, check_number

NUM_ITERATIONS = 20  # of Lloyd's algorithm; 40 numbers on a line settle in fewer


def go4align(num_groups: int = 2, step_size: float = 1e-4) -> Method[Tensor]:
    """Group optimization for multi-task alignment (Shen et al., NeurIPS 2024).

    gamma <- gamma exp(-step_size L), normalised to sum 1;   omega_t = gamma_t (sum_s L_s) / L_t
    w_t = the mean of omega over t's group, groups by k-means of omega

    The state is log gamma, not normalised; it stands still for a task whose gate is shut. k-means has a fixed number
    of iterations and starts from quantiles of omega, where the authors start at random.

    Args:
      num_groups: of tasks, at most K; the paper tunes it for each data set. 2 is our choice, and goes with any K.
      step_size: eta; the authors' code has 1e-4.

    Example:
      The largest omega is a group alone.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(go4align(step_size=0.0), observe(losses=[1.0, 2.0, 4.0]))
      tensor([[2.3333, 0.8750, 0.8750]])
    """
    check_count("go4align.num_groups", num_groups, "[1, inf)")
    step_size = check_number("go4align.step_size", step_size, "[0, inf)")

    def init(num_tasks: int, device: torch.device) -> Tensor:
        check_count("go4align.num_groups", num_groups, f"[1, {max(2, num_tasks)}]")
        return torch.zeros(num_tasks, device=device)

    def update(log_gamma_K: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        losses_K, open_K = observation.losses_K, observation.open_K
        log_gamma_K = torch.where(open_K, log_gamma_K - step_size * losses_K, log_gamma_K)
        total = torch.where(open_K, losses_K, 0.0).sum()
        omega_K = torch.where(open_K, masked.softmax(log_gamma_K, open_K) * total / losses_K, 0.0)
        return _group_means(omega_K, open_K, num_groups), log_gamma_K

    return Method(init, update, needs_positive_losses=True)


def _group_means(values_K: Tensor, open_K: Tensor, num_groups: int) -> Tensor:
    """k-means on a line: each open value's group mean, 0 at the others."""
    groups_G = torch.arange(num_groups, device=values_K.device)
    ranked_K = values_K.masked_fill(~open_K, torch.inf).sort().values
    centers_G = ranked_K[(2 * groups_G + 1) * open_K.sum() // (2 * num_groups)]
    for _ in range(NUM_ITERATIONS):
        nearest_K = (values_K[:, None] - centers_G).abs().argmin(dim=1)
        members_KG = (nearest_K[:, None] == groups_G) & open_K[:, None]
        sizes_G = members_KG.sum(dim=0)
        sums_G = torch.where(members_KG, values_K[:, None], 0.0).sum(dim=0)
        centers_G = torch.where(sizes_G > 0, sums_G / sizes_G.clamp(min=1), centers_G)  # an empty group stays
    return torch.where(members_KG, centers_G, 0.0).sum(dim=1)
