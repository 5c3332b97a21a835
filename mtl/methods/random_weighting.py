"""Random weights: drawn anew in each step, the test that a balancing method should pass.

Source: Lin et al., TMLR 2022
LibMTL: RLW
TorchJD: Random
"""

import torch
from torch import Tensor

from mtl.errors import check_choice
from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared import masked


def random_weighting(distribution: str = "normal") -> Method[tuple[()]]:
    """Random loss weighting, RLW (Lin et al., TMLR 2022). In every step, with u_t uniform:

      normal     w = softmax(z),  z ~ N(0, I)
      dirichlet  w ~ Dirichlet(1): exponential variables divided by their sum
      bernoulli  w in {0, 1}^K, all but 0 equally likely: fair coins, thrown again while none shows 1

    Args:
      distribution: of the three; the paper's default is "normal".

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(random_weighting("dirichlet"), observe(losses=[1.0, 1.0], uniforms=[0.2, 0.9]))
      tensor([[0.0883, 0.9117]])
    """
    check_choice("random_weighting.distribution", distribution, _DRAWS)
    draw = _DRAWS[distribution]

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        limits = torch.finfo(observation.losses_K.dtype)
        uniforms_K = observation.uniforms_K.to(observation.losses_K.dtype)
        # At 0 and 1 the inverse distribution functions are not finite.
        return draw(uniforms_K.clamp(limits.tiny, 1.0 - limits.eps), observation.open_K), state

    return Method(no_state, update, looks_at=())


def _normal(uniforms_K: Tensor, open_K: Tensor) -> Tensor:
    return masked.softmax(torch.special.ndtri(uniforms_K), open_K)


def _dirichlet(uniforms_K: Tensor, open_K: Tensor) -> Tensor:
    exponentials_K = torch.where(open_K, -torch.log1p(-uniforms_K), 0.0)
    return exponentials_K / exponentials_K.sum()


def _bernoulli(uniforms_K: Tensor, open_K: Tensor) -> Tensor:
    # The binary digits of u_t are task t's throws, one after the other. The first throw in which any task shows 1 is
    # at the leading digit of the largest u.
    _, exponent = torch.frexp(torch.where(open_K, uniforms_K, 0.0).amax())
    leading_digit = torch.ldexp(torch.full_like(uniforms_K[0], 0.5), exponent)
    return (open_K & (uniforms_K >= leading_digit)).to(uniforms_K.dtype)


_DRAWS = {"normal": _normal, "dirichlet": _dirichlet, "bernoulli": _bernoulli}
