"""Inner products of long rows: exact where one call is not."""

import torch

from mtl.linalg import BLOCK, row_products


def test_blocks_with_a_rest() -> None:
    generator = torch.Generator().manual_seed(0)
    for num_columns in (1, 7, BLOCK, BLOCK + 1, 3 * BLOCK + 5):
        a_KN, b_KN = torch.randn(2, 3, num_columns, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(row_products(a_KN, b_KN), a_KN @ b_KN.T)


def test_float32_loses_nothing_over_millions_of_columns() -> None:
    rows_KN = 0.01 * torch.randn(4, 4_000_000, generator=torch.Generator().manual_seed(0)) + 0.002
    exact_KK = row_products(rows_KN.double(), rows_KN.double())
    error = (row_products(rows_KN, rows_KN) - exact_KK).norm() / exact_KK.norm()
    assert error < 1e-5
