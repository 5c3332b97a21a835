"""Soft uncertainty weighting: what uncertainty weighting would learn, in closed form and softened.

Source: Kirchdorfer et al., GCPR 2024
"""

from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared import masked
from mtl.methods.shared.options import check_number


def soft_uncertainty(temperature: float = 10.0) -> Method[tuple[()]]:
    """UW-SO (Kirchdorfer et al., GCPR 2024).

    w = softmax_t(1 / (T L_t))

    1 / L_t is where the weights of uncertainty weighting rest, up to a factor. The losses in w are constants: there is
    no total loss whose gradient this is.

    Args:
      temperature: T; higher is closer to equal weights. The paper tunes it for each data set and has no default. Ours
        keeps the weights of binary cross-entropies (0.1 to 0.7 nats) within a factor of about 2.4.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(soft_uncertainty(temperature=2.0), observe(losses=[0.2, 0.5]))
      tensor([[0.8176, 0.1824]])
    """
    temperature = check_number("soft_uncertainty.temperature", temperature, "(0, inf)")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return masked.softmax(1.0 / (temperature * observation.losses_K), observation.open_K), state

    return Method(no_state, update, needs_positive_losses=True)
