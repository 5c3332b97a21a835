"""IMTL: scales that bring all losses to the same size, and a direction that serves the scaled losses alike.

Source: Liu et al., ICLR 2021 (IMTL)
LibMTL: IMTL
"""

from torch import Tensor

from mtl.methods.base import Method, Observation, known_gramian
from mtl.methods.impartial_losses import impartial_losses
from mtl.methods.imtl_g import imtl_g
from mtl.methods.shared.learned import Learned


def impartial() -> Method[Learned]:
    """Impartial multi-task learning, the hybrid of its two parts (Liu, Li, Kuang et al., ICLR 2021).

    IMTL-L scales the losses, exp(s_t) L_t, and the heads follow their scaled loss. IMTL-G combines the scaled losses'
    shared gradients exp(s_t) g_t with coefficients a that sum to 1:

    w_t = a_t exp(s_t),   <g_t / |g_t|, sum_u w_u g_u> the same for all t

    The scales leave the shared direction as it is and set its length. The state is IMTL-L's.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(impartial(), observe(losses=[0.5, 2.0], gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.3333, 0.6667]])
    """
    losses, gradients = impartial_losses(), imtl_g()

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        scales_K, new_state = losses.update(state, observation)
        scaled = observation._replace(gramian_KK=known_gramian(observation) * scales_K * scales_K[:, None])
        coefficients_K, _ = gradients.update((), scaled)
        return coefficients_K * scales_K, new_state

    def head_weights(state: Learned, observation: Observation, weights_K: Tensor) -> Tensor:
        scales_K, _ = losses.update(state, observation)
        return scales_K

    return Method(losses.init, update, head_weights, looks_at=("losses", "gramian"), needs_positive_losses=True)
