"""GradDrop: at every coordinate a sign is drawn, and gradients of the other sign are dropped.

Source: Chen et al., NeurIPS 2020
LibMTL: GradDrop
TorchJD: GradDrop
"""

import torch
from torch import Tensor

from mtl.methods.base import Method, Observation, known_gradients, no_state, unweighted
from mtl.methods.shared.gramian import divide
from mtl.methods.shared.options import check_number
from mtl.methods.shared.uniforms import coordinate_uniforms


def graddrop(leak: float = 0.0) -> Method[tuple[()]]:
    """Gradient sign dropout (Chen et al., NeurIPS 2020). At every coordinate, with U uniform in (0, 1):

      P = (1 + sum_t g_t / sum_t |g_t|) / 2
      m_t = 1 where g_t > 0 and P > U, or g_t < 0 and P < U;  else 0
      d = sum_t (leak + (1 - leak) m_t) g_t

    Where all gradients have the same sign, d is their sum. The paper draws the U of a step at once; here they are
    derived from the tasks' uniforms, the only randomness of a step.

    Our departure, at the features only: the paper first sums sign(features) g_t over the batch, so that all images
    share a mask. Here every image's features have signs of their own.

    Args:
      leak: share of each gradient that passes in any case, in [0, 1]; the paper allows one for each task.

    Example:
      At the first coordinate the signs agree; at the second the negative one is drawn.
      >>> from mtl.methods.base import observe
      >>> method = graddrop()
      >>> observation = observe(gradients=[[1.0, 1.0], [2.0, -3.0]])
      >>> method.gradients((), observation)
      tensor([[ 1.,  0.],
              [ 2., -3.]])
    """
    leak = check_number("graddrop.leak", leak, "[0, 1]")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return observation.open_K.to(known_gradients(observation).dtype), state

    def kept(state: tuple[()], observation: Observation) -> Tensor:
        gradients_KN = known_gradients(observation)
        purity_N = 0.5 * (1.0 + divide(gradients_KN.sum(0), gradients_KN.abs().sum(0)))
        uniforms_N = coordinate_uniforms(observation.uniforms_K, observation.open_K, gradients_KN.shape[1])
        kept_KN = torch.where(gradients_KN > 0.0, purity_N > uniforms_N, purity_N < uniforms_N)
        return torch.where(kept_KN, gradients_KN, leak * gradients_KN)

    return Method(no_state, update, unweighted, looks_at=("gradients",), gradients=kept)
