"""MOML: weights that make a step on one half of the batch lower every task's loss on the other.

Source: Ye et al., NeurIPS 2021
LibMTL: MOML
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation
from mtl.methods.shared import learned, masked
from mtl.methods.shared.gramian import divide, open_halves, open_weights, regular_cosines
from mtl.methods.shared.learned import Learned
from mtl.methods.shared.options import check_number
from mtl.methods.shared.solvers import minimize_nonnegative

# What the solver leaves of a direction of 0 is shorter: the root of the 1e-6 that it adds to the cosines.
SHORTEST = 1e-3


def moml(learning_rate: float = 1e-3) -> Method[Learned]:
    """Multi-objective meta learning of the weights (Ye et al., NeurIPS 2021), with one step of the network.

      theta' = theta - eta sum_t w_t g_t,   w = softmax(a)
      a descends on all L'_s(theta') at once, by Adam along MGDA's direction of the h_s = grad_a L'_s(theta'):
        min over the simplex of |sum_s v_s h_s / |h_s||

    g_t are gradients on the batch's first half, L'_s losses on its second, so h_s = -eta J <g, g'_s>, with
    J = diag(w) - w w^T the Jacobian of the softmax; eta drops out. Where no direction is good for all, a gets a
    gradient of 0. Unit lengths, in the sum too, are LibMTL's; the authors' code uses them for v alone.

    Our departures, which save as many passes through the network as there are tasks: g'_s is taken at theta instead
    of theta', with the heads' part of the inner product left out; and the second half stands for the paper's
    validation split, so that the network learns from all data (`Observation.halves_KK` says how independent the halves
    are).

    Args:
      learning_rate: of a; the authors' script for the Office data has 1e-3, that for NYU-v2 1e-4.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(moml(learning_rate=0.1), observe(halves=[[2.0, 1.0], [-3.0, 0.5]]))
      tensor([[0.5498, 0.4502]])
    """
    learning_rate = check_number("moml.learning_rate", learning_rate, "(0, inf)")

    def init(num_tasks: int, device: torch.device) -> Learned:
        return learned.init(num_tasks, device)

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        values_K, open_K, halves_KK = state.values_K, observation.open_K, open_halves(observation)
        weights_K = masked.softmax(values_K.to(torch.float64), open_K)
        slopes_KK = weights_K[:, None] * (weights_K @ halves_KK - halves_KK)  # column s: h_s / eta
        gradient_K = _shortest_of_units(slopes_KK, open_K).to(values_K.dtype)
        state = learned.update(state, gradient_K, open_K, values_K.new_full((), learning_rate))
        return open_weights(masked.softmax(state.values_K, open_K), observation), state

    return Method(init, update, looks_at=("halves",))


def _shortest_of_units(columns_KK: Tensor, open_K: Tensor) -> Tensor:
    """MGDA's direction of the columns, scaled to unit length; a column of 0 stays, and does not make it 0.

    0 where it is shorter than `SHORTEST`, since Adam makes no difference between short and long.
    """
    cosines_KK, norms_K = regular_cosines(columns_KK.T @ columns_KK)
    v_K = minimize_nonnegative(lambda v_K: (cosines_KK @ v_K, cosines_KK), open_K, on_simplex=True)
    shortest_K = columns_KK @ divide(v_K, norms_K)
    return torch.where(torch.linalg.vector_norm(shortest_K) > SHORTEST, shortest_K, 0.0)
