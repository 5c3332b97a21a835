"""Operations and bytes of a product and a sum, counted by hand."""

import pytest
import torch

from mtl.bench import estimate, handwritten
from mtl.bench.estimate import Operation, Peaks, Recorder, floor
from mtl.data.published import OFFICIAL_SPLIT
from tests.bench.tiny_bench import CASE, ONCE, TRUNK


def test_a_product_a_sum_and_a_view() -> None:
    matrix_23, matrix_34 = torch.ones(2, 3), torch.ones(3, 4)
    with Recorder() as recorder:
        (matrix_23 @ matrix_34).T.add_(1.0)
    product, added = recorder.found
    assert product == Operation(2 * 2 * 3 * 4, 4 * (2 * 3 + 3 * 4 + 2 * 4))
    assert added == Operation(0, 2 * 4 * 2 * 4), "read and written"


def test_what_is_short_takes_as_long_as_its_start() -> None:
    assert floor([Operation(1, 1)] * 3, Peaks(1e9, 1e9, start=0.5)) == 1.5


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(handwritten.TRUNKS, "tiny", TRUNK)
    monkeypatch.setattr(estimate, "measure_peaks", lambda device, effort: Peaks(1e9, 1e9, 0.0))
    here, *others = estimate.estimate([CASE._replace(backbone="resnet18", image_size=32)], ONCE)
    assert here["measured, ms"] > 0.0
    assert [row["measured, ms"] for row in others] == [None] * len(estimate.GPUS)
    assert here["an epoch, s"] == pytest.approx(OFFICIAL_SPLIT["train"] / here["images/s at most"])
