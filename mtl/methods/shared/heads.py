"""Which gradients the heads take, where a paper's formula and its authors' code differ: a choice of several methods."""

from mtl.errors import check_choice
from mtl.methods.base import HeadWeights, as_the_trunk, unweighted

HEAD_WEIGHTS: dict[str, HeadWeights] = {"own": unweighted, "weighted": as_the_trunk}


def head_weights(option: str, choice: str) -> HeadWeights:
    """ "own": heads take their own losses' gradients; "weighted": times the task's weight, as from sum_t w_t L_t.

    Raises:
      UserError: for anything else.

    Example:
      >>> head_weights("mgda.heads", "weighted") is as_the_trunk
      True
    """
    check_choice(option, choice, HEAD_WEIGHTS)
    return HEAD_WEIGHTS[choice]
