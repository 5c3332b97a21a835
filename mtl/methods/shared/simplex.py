"""The simplex of the open tasks: weights >= 0 that sum to 1, and 0 at closed tasks. K tasks."""

import torch
from torch import Tensor


def project(values_K: Tensor, open_K: Tensor) -> Tensor:
    """The point of the simplex nearest to `values_K`, exactly: max(v - theta, 0) (Held, Wolfe and Crowder 1974).

    theta = max_k (v_(1) + ... + v_(k) - 1) / k,  v_(1) >= v_(2) >= ... the sorted values of the open tasks.

    Example:
      >>> project(torch.tensor([0.75, 0.5, 9.0]), torch.tensor([True, True, False]))
      tensor([0.6250, 0.3750, 0.0000])
    """
    open_values_K = torch.where(open_K, values_K, -torch.inf)
    below_K = open_values_K - open_values_K.amax()  # the sum of the weights stays 1 where values are large
    sums_K = below_K.sort(descending=True).values.cumsum(dim=0)
    theta = ((sums_K - 1.0) / torch.arange(1, len(values_K) + 1, device=values_K.device)).amax()
    return (below_K - theta).clamp(min=0.0)


def uniform(num_tasks: int, device: torch.device) -> Tensor:
    """Its centre, [K] float32: where methods start.

    Example:
      >>> uniform(4, torch.device("cpu"))
      tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return torch.full((num_tasks,), 1.0 / num_tasks, device=device)
