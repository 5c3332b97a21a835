"""IMTL: scales that bring all losses to the same size, and a direction that serves the scaled losses alike."""

from torch import Tensor

from mtl.methods.impartial_losses import impartial_losses
from mtl.methods.imtl_g import imtl_g
from mtl.methods.interface import Method, Observation
from mtl.methods.learned import Learned


def impartial() -> Method[Learned]:
    """Impartial multi-task learning, the hybrid of its two parts (Liu, Li, Kuang et al., ICLR 2021).

    IMTL-L scales the losses, exp(s_t) L_t, and the heads follow their scaled loss. IMTL-G combines the scaled losses'
    shared gradients exp(s_t) g_t with coefficients a that sum to 1:

    w_t = a_t exp(s_t),   <g_t / |g_t|, sum_u w_u g_u> the same for all t

    The scales leave the shared direction as it is and set its length. The state is IMTL-L's.
    """
    losses, gradients = impartial_losses(), imtl_g()

    def update(state: Learned, observation: Observation) -> tuple[Tensor, Learned]:
        scales_K, new_state = losses.update(state, observation)
        scaled = observation._replace(gramian_KK=observation.gramian_KK * scales_K * scales_K[:, None])
        coefficients_K, _ = gradients.update((), scaled)
        return coefficients_K * scales_K, new_state

    def head_weights(state: Learned, observation: Observation, weights_K: Tensor) -> Tensor:
        scales_K, _ = losses.update(state, observation)
        return scales_K

    return Method(losses.init, update, head_weights, needs_positive_losses=True)
