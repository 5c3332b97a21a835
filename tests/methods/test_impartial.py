"""The hybrid IMTL: its directions by the paper's formula."""

import numpy as np
import pytest
import torch

from mtl.methods.impartial import impartial
from tests.methods.properties import init64, observe


@pytest.mark.parametrize("seed", range(3))
def test_impartial_is_imtl_g_of_scaled_gradients(seed: int) -> None:
    """Against the paper's formula a = g_1 U^T (D U^T)^-1 for the last K - 1 tasks, in NumPy, with Adam's scales."""
    generator, num_tasks = np.random.default_rng(seed), 4
    method, state = impartial(), init64(impartial, num_tasks)
    scales_K = torch.zeros(num_tasks, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([scales_K], lr=0.01)
    for _ in range(5):
        jacobian, losses_K = generator.standard_normal((num_tasks, 9)), torch.from_numpy(generator.random(num_tasks))
        observation = observe(losses_K, gramian_KK=torch.from_numpy(jacobian @ jacobian.T))
        weights_K, new_state = method.update(state, observation)
        factors = scales_K.detach().exp().numpy()
        scaled = factors[:, None] * jacobian
        units = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        differences, unit_differences = scaled[0] - scaled[1:], units[0] - units[1:]
        rest = scaled[0] @ unit_differences.T @ np.linalg.inv(differences @ unit_differences.T)
        expected = factors * np.concatenate([[1.0 - rest.sum()], rest])
        torch.testing.assert_close(weights_K, torch.from_numpy(expected), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(
            method.head_weights(state, observation, weights_K), torch.from_numpy(factors), rtol=1e-7, atol=0.0
        )
        optimizer.zero_grad()
        (scales_K.exp() * losses_K - scales_K).sum().backward()
        optimizer.step()
        state = new_state
