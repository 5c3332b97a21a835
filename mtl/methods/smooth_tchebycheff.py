"""Smooth Tchebycheff: a soft maximum of the losses.

Source: Lin et al., ICML 2024
LibMTL: STCH
TorchJD: STCH
"""

from torch import Tensor

from mtl.methods.base import Method, Observation, no_state
from mtl.methods.shared import masked
from mtl.methods.shared.options import check_number


def smooth_tchebycheff(mu: float = 0.01) -> Method[tuple[()]]:
    """STCH (Lin et al., ICML 2024), with equal preferences lambda_t = 1 / K.

    L = mu log sum_t exp(lambda_t (L_t - z_t) / mu),   so w_t = lambda_t softmax_t(lambda_t (L_t - z_t) / mu)

    The ideal point z is 0, the infimum of a cross-entropy; an ideal that all tasks share drops out of w.

    Our departure: this is the paper's formula, not the authors' code for multi-task learning. That takes
    log(L_t / n_t) in place of lambda_t (L_t - z_t), n the mean losses of an epoch after a warm-up of four in which it
    minimises sum_t log L_t, has mu = 1, and multiplies by K.

    Args:
      mu: smoothing, in units of lambda_t L_t; towards 0 only the largest loss counts. 0.01 is from another experiment
        of the authors, which learns a whole Pareto set.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(smooth_tchebycheff(mu=1.0), observe(losses=[1.0, 3.0]))
      tensor([[0.1345, 0.3655]])
    """
    mu = check_number("smooth_tchebycheff.mu", mu, "(0, inf)")

    def update(state: tuple[()], observation: Observation) -> tuple[Tensor, tuple[()]]:
        preference = 1.0 / observation.open_K.sum()
        return preference * masked.softmax(preference * observation.losses_K / mu, observation.open_K), state

    return Method(no_state, update)
