"""Scale-invariant scalarisation: the sum of the logarithms of the losses.

Source: Navon et al., ICML 2022
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, no_state


def scale_invariant() -> Method[tuple[()]]:
    """Scale-invariant baseline (named so by Navon et al., ICML 2022): a loss counts by its relative change.

    L = sum_t log L_t,   so w_t = 1 / L_t

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(scale_invariant(), observe(losses=[0.5, 4.0]))
      tensor([[2.0000, 0.2500]])
    """

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return torch.where(observation.open_K, 1.0 / observation.losses_K, 0.0), state

    return Method(no_state, update, needs_positive_losses=True)
