"""Multi-Krum: selections by hand, behind gates, and TorchJD's."""

from functools import partial

import pytest
import torch
from torchjd import aggregation

from mtl.methods.krum import krum
from tests.methods import samplers
from tests.methods.properties import first_weights_of, init64, observe

POINTS = ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (3.0, 3.0), (9.0, -9.0))


@pytest.mark.parametrize(
    ("num_byzantine", "num_selected", "expected"),
    [
        (1, 1, [1, 0, 0, 0, 0]),  # two closest: 5, 6, 9, 23, 307
        (1, 2, [1 / 2, 1 / 2, 0, 0, 0]),
        (0, 1, [0, 1, 0, 0, 0]),  # three closest: 23, 19, 19, 41, 487; the first of the equals
        (0, 2, [0, 1 / 2, 1 / 2, 0, 0]),
        (0, 3, [1 / 3, 1 / 3, 1 / 3, 0, 0]),
        (4, 1, [1, 0, 0, 0, 0]),  # at least one is counted: 1, 1, 4, 10, 145
        (1, 5, [1 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 5]),
    ],
)
def test_krum(num_byzantine: int, num_selected: int, expected: list[float]) -> None:
    """Squared distances of `POINTS`: 1, 4, 18, 162 of the first; 5, 13, 145; 10, 202; 180."""
    assert first_weights_of(partial(krum, num_byzantine, num_selected), *POINTS) == pytest.approx(expected)


def test_krum_sums_squares() -> None:
    """On a line, 0 has others at 1 and 5, and 8.2 at 3.2 and 3.2: more in sum, less in squares."""
    assert first_weights_of(krum, (-1.0,), (0.0,), (5.0,), (8.2,), (11.4,)) == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([False, True, True, True, True], [0, 1, 0, 0, 0]),  # one closest of four: 5, 5, 10, 145
        ([False, False, True, False, True], [0, 0, 1, 0, 0]),
        ([False, False, False, True, False], [0, 0, 0, 1, 0]),
    ],
)
def test_krum_behind_gates(gates: list[bool], expected: list[float]) -> None:
    assert first_weights_of(krum, *POINTS, open_K=torch.tensor(gates)) == expected


@pytest.mark.parametrize(("num_byzantine", "num_selected"), [(1, 1), (0, 3), (2, 2)])
def test_krum_agrees_with_torchjd(monkeypatch: pytest.MonkeyPatch, num_byzantine: int, num_selected: int) -> None:
    """On 1,000 Gramians. TorchJD sums distances, the paper their squares: its root is taken away."""
    method = krum(num_byzantine, num_selected)
    weighting = aggregation.KrumWeighting(num_byzantine, num_selected)
    for num_tasks in (6, 9):  # with fewer, the lowest score would be shared by two
        gramians_NKK = samplers.jacobians(num_tasks, 500) @ samplers.jacobians(num_tasks, 500).mT
        weights_NK = torch.func.vmap(lambda gramian_KK: method.update((), samplers.observe(gramian_KK))[0])(
            gramians_NKK
        )
        with monkeypatch.context() as patch:
            patch.setattr(torch, "sqrt", lambda squares: squares)
            expected_NK = torch.stack([weighting(gramian_KK) for gramian_KK in gramians_NKK])
        torch.testing.assert_close(weights_NK, expected_NK)


def test_heads() -> None:
    """What combines gradients leaves the heads their own."""
    weights_K = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    heads_K = krum().head_weights(init64(krum, 3), observe([1.0, 2.0, 3.0]), weights_K)
    assert torch.equal(heads_K, torch.ones_like(weights_K))
