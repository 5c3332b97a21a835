"""Log losses: another method, on the gradients of the losses' logarithms.

Source: Xu et al., AAAI 2025
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.methods.base import Method, Observation, as_the_trunk, known_gramian
from mtl.methods.mgda import mgda
from mtl.methods.shared.gramian import divide


def log_losses(inner: Callable[[], Method[Any]] = mgda) -> Method[Any]:
    """LOG-MGDA, LOG-CAGrad, LOG-IMTL-G and others, as in the code of PSMGD (Xu et al., AAAI 2025).

    v = the inner method's weights for grad log L_t = g_t / L_t, that is for M_st / (L_s L_t);   w_t = v_t / L_t

    The scale of a loss does not matter then: log (s L) has the gradient of log L. We read the code, where LOG-MGDA
    also divides w by sum_t w_t (as FAMO's c does); it is not done here, so that all inner methods are treated alike.
    Heads take w_t, too, as where one goes back through sum_t v_t log L_t; where the inner method gives heads their own
    gradients, 1 / L_t: the gradient of their own log L_t.

    Args:
      inner: makes a method that looks at the Gramian, and at no gradients, halves or losses beside it; in the
        configuration its name, with its default options.

    Example:
      Gradients of log L have lengths 1 and 1.
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(log_losses(), observe(losses=[2.0, 1.0], gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.2500, 0.5000]])
    """
    method = inner()
    if method.looks_at != ("gramian",):
        raise UserError(
            "log_losses.inner looks at something else than inner products of gradients; choose a method that does not, "
            "such as mgda, cagrad or imtl_g",
            "log_losses.inner",
        )

    def seen(observation: Observation) -> Observation:
        losses_K, gramian_KK = observation.losses_K, known_gramian(observation)
        return observation._replace(gramian_KK=divide(divide(gramian_KK, losses_K), losses_K[:, None]))

    def update(state: Any, observation: Observation) -> tuple[Tensor, Any]:
        weights_K, state = method.update(state, seen(observation))
        return divide(weights_K, observation.losses_K), state

    def head_weights(state: Any, observation: Observation, weights_K: Tensor) -> Tensor:
        if method.head_weights is as_the_trunk:
            return weights_K
        return divide(torch.ones_like(weights_K), observation.losses_K.to(weights_K.dtype))

    return method._replace(
        update=update, head_weights=head_weights, looks_at=("losses", "gramian"), needs_positive_losses=True
    )
