"""Nash-MTL: the tasks bargain for the direction.

Source: Navon et al., ICML 2022
LibMTL: Nash_MTL
TorchJD: NashMTL
"""

from mtl.methods.base import Method
from mtl.methods.fairgrad import fairgrad


def nash_mtl() -> Method[tuple[()]]:
    """The Nash bargaining solution (Navon et al., ICML 2022).

    d = argmax_d sum_t log <g_t, d> in a ball, whose solution is d = G^T w with  M w = 1 / w,  w > 0

    which is FairGrad at alpha = 1. Scaling a task's gradient leaves d as it is, and |d| = sqrt(K) always.

    Our departures from the authors' code, which goes back through the weighted loss sum_t w_t L_t: there the heads'
    gradients are multiplied by w as well, here heads keep their own; and it cuts |d| at 1, so that it divides d by
    sqrt(K), where the paper's equation, which stands here, does not. Its w can be kept for several steps; ours is new
    in each.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(nash_mtl(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.5000, 1.0000]])
    """
    return fairgrad(alpha=1.0)
