"""Equal weights: the sum of the losses, the baseline of everything else."""

from torch import Tensor

from mtl.methods.base import Method, Observation, no_state


def equal() -> Method[tuple[()]]:
    """Linear scalarisation with unit weights: L = sum_t L_t, so w = 1.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(equal(), observe(losses=[0.1, 2.0]))
      tensor([[1., 1.]])
    """

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        return observation.open_K.to(observation.losses_K.dtype), state

    return Method(no_state, update, looks_at=())
