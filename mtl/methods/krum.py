"""Multi-Krum: the gradients that lie closest to others, the rest is left out.

Source: Blanchard et al., NeurIPS 2017
TorchJD: Krum
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared.gramian import gramian_method, open_gramian
from mtl.methods.shared.options import check_count


def krum(num_byzantine: int = 1, num_selected: int = 1) -> Method[tuple[()]]:
    """Multi-Krum (Blanchard, El Mhamdi, Guerraoui and Stainer, NeurIPS 2017), made against workers that send nonsense.

    score_i = sum of |g_i - g_j|^2 over the K - num_byzantine - 2 tasks j whose gradients are closest to g_i
    w = 1 / num_selected at the tasks of the lowest scores

    Among equal scores the first task's comes first, as in the paper; with K <= num_byzantine + 3 a score is one
    distance, and the closest two tasks always have the same. Our departure: the paper asks for
    K >= 2 num_byzantine + 3, but gates may leave fewer tasks; a score counts at least one other task (a task alone has
    none), and at most all open tasks are selected. TorchJD's scores sum distances that are not squared.

    Args:
      num_byzantine: f, how many gradients may be nonsense, at least 0 and less than K; the default goes with any K.
      num_selected: m, how many gradients to average, from 1 to K.

    Example:
      Gradients 0, 1 and 9 on a line: the first two are close.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(krum(num_selected=2), observe(gradients=[[0.0], [1.0], [9.0]]))
      tensor([[0.5000, 0.5000, 0.0000]])
    """
    check_count("krum.num_byzantine", num_byzantine, "[0, inf)")
    check_count("krum.num_selected", num_selected, "[1, inf)")

    def weights(observation: Observation) -> Tensor:
        gramian_KK, open_K = open_gramian(observation), observation.open_K
        squares_K, places_K = gramian_KK.diagonal(), torch.arange(len(gramian_KK), device=gramian_KK.device)
        distances_KK = (squares_K + squares_K[:, None] - 2.0 * gramian_KK).clamp(min=0.0)
        others_KK = open_K & (places_K != places_K[:, None])
        ascending_KK = distances_KK.masked_fill(~others_KK, torch.inf).sort(dim=1).values
        num_others = open_K.sum() - 1
        num_closest = torch.minimum((num_others - num_byzantine - 1).clamp(min=1), num_others)
        scores_K = torch.where(places_K < num_closest, ascending_KK, 0.0).sum(1).masked_fill(~open_K, torch.inf)
        ranks_K = torch.argsort(torch.argsort(scores_K, stable=True))
        selected_K = (open_K & (ranks_K < num_selected)).to(gramian_KK.dtype)
        return selected_K / selected_K.sum()

    def init(num_tasks: int, device: torch.device) -> tuple[()]:
        # The defaults go with any number of tasks, a task alone too.
        check_count("krum.num_byzantine", num_byzantine, f"[0, {max(1, num_tasks - 1)}]")
        check_count("krum.num_selected", num_selected, f"[1, {num_tasks}]")
        return ()

    return gramian_method(weights)._replace(init=init)
