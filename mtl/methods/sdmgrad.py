"""SDMGrad: a direction between MGDA's and the mean gradient, from independent samples."""

import torch
from torch import Tensor

from mtl.methods import simplex
from mtl.methods.interface import Method, Observation, unweighted
from mtl.methods.modo import open_halves
from mtl.methods.solvers import divide, mean_weights, open_weights


def sdmgrad(
    regularization: float = 0.3, num_iterations: int = 20, learning_rate: float = 10.0, momentum: float = 0.5
) -> Method[Tensor]:
    """Stochastic direction-oriented multi-objective gradient descent (Xiao, Ban and Ji, NeurIPS 2023).

      min over the simplex of |G^T w + lambda g_0|^2, by iterations of
        v <- momentum v + A (w + lambda u),   w <- Proj(w - learning_rate v),   A = G_1 G_2^T / (mean_t sqrt(A_tt))^2
      d = (G^T w + lambda g_0) / (1 + lambda),   u = 1 / K,   g_0 = G^T u the mean gradient

    G_1 and G_2 are the gradients on the two halves of the batch, independent samples. G is the whole batch's, where
    the paper takes a third sample. Momentum (v starts at 0 in each step) and the scale of A, to which negative A_tt
    count as 0, are the authors' code's, which also multiplies d by K. Proj projects onto the simplex of the open
    tasks. w starts where it ended in the step before, at 1 / K in the first; a closed task's stands still.

    Args:
      regularization: lambda; 0 is MGDA's problem, large the mean gradient. The authors' experiments have 0.3.
      num_iterations: in each step.
      learning_rate: of w; the authors' code has 10 (LibMTL: 5). There the iterations need not settle: with 40 random
        gradients, a change of them in the ninth digit changes w by tenths. With 1 they settle.
      momentum: in [0, 1).
    """

    def init(num_tasks: int, device: torch.device) -> Tensor:
        return simplex.uniform(num_tasks, device)

    def update(state: Tensor, observation: Observation) -> tuple[Tensor, Tensor]:
        open_K, halves_KK, mean_K = observation.open_K, open_halves(observation), mean_weights(observation)
        scale = mean_K @ halves_KK.diagonal().clamp(min=0.0).sqrt()
        matrix_KK = divide(halves_KK, scale.square())
        weights_K, velocity_K = simplex.project(state.to(torch.float64), open_K), torch.zeros_like(mean_K)
        for _ in range(num_iterations):
            velocity_K = momentum * velocity_K + matrix_KK @ (weights_K + regularization * mean_K)
            weights_K = simplex.project(weights_K - learning_rate * velocity_K, open_K)
        new_state = torch.where(open_K, weights_K.to(state.dtype), state)
        return open_weights((weights_K + regularization * mean_K) / (1.0 + regularization), observation), new_state

    return Method(init, update, unweighted, needs_halves=True)
