"""Nash-MTL: the tasks bargain for the direction.

Source: Navon et al., ICML 2022
LibMTL: Nash_MTL
TorchJD: NashMTL
"""

from mtl.methods.base import Method
from mtl.methods.fairgrad import fairgrad
from mtl.methods.shared.heads import head_weights


def nash_mtl(heads: str = "own") -> Method[tuple[()]]:
    """The Nash bargaining solution (Navon et al., ICML 2022).

    d = argmax_d sum_t log <g_t, d> in a ball, whose solution is d = G^T w with  M w = 1 / w,  w > 0

    which is FairGrad at alpha = 1. Scaling a task's gradient leaves d as it is, and |d| = sqrt(K) always.

    Our departures from the authors' code: it cuts |d| at 1, so that it divides d by sqrt(K), where the paper's
    equation, which stands here, does not. Its w can be kept for several steps; ours is new in each.

    Args:
      heads: "own": they keep their own gradients; "weighted": times w_t, as in the authors' code, which goes back
        through sum_t w_t L_t.

    Example:
      >>> from mtl.methods.base import observe, try_out
      >>> try_out(nash_mtl(), observe(gramian=[[4.0, 0.0], [0.0, 1.0]]))
      tensor([[0.5000, 1.0000]])
    """
    return fairgrad(alpha=1.0)._replace(head_weights=head_weights("nash_mtl.heads", heads))
