"""Random streams: the numbers that runs have always had, and never the same for two uses."""

import numpy as np
import pytest

from mtl import gating
from mtl.data.batches import epoch_order
from mtl.streams import Stream, generator


@pytest.mark.parametrize(
    ("stream", "key", "expected"),
    [
        (Stream.ORDER, (7, 2), [0.4938652810251063, 0.6733423548019553]),
        (Stream.AUGMENTATION, (7, 2, 1), [0.28376064347575847, 0.25175161307795657]),
        (Stream.GATES, (0, 7, 2), [0.7807845340620229, 0.6067867606020961]),
        (Stream.GATES, (5, 7, 2, 5), [0.3196791818506507, 0.465076555918005]),
    ],
)
def test_numbers_of_before_streams_had_names(stream: Stream, key: tuple[int, ...], expected: list[float]) -> None:
    assert generator(stream, *key).random(2).tolist() == expected


@pytest.mark.parametrize(
    ("stream", "key", "expected"),
    [
        (Stream.PROBE, (7,), [5, 1, 4, 0, 2, 3]),
        (Stream.HIDDEN_LABELS, (1,), [2, 0, 5, 4, 3, 1]),
        (Stream.EXAMPLES, (), [2, 3, 0, 5, 4, 1]),
    ],
)
def test_orders_of_before_streams_had_names(stream: Stream, key: tuple[int, ...], expected: list[int]) -> None:
    assert generator(stream, *key).permutation(6).tolist() == expected


def test_users_draw_from_their_stream() -> None:
    assert epoch_order(6, seed=7, epoch=2).tolist() == [5, 1, 3, 4, 0, 2]
    assert list(gating.uniforms("dst", 7, 2, ("a", "b")).values()) == [0.7807845340620229, 0.6067867606020961]
    assert gating.uniforms("dst_stagnancy", 7, 2, ("a",), 5) == {"a": 0.3196791818506507}


def test_no_two_streams_share_numbers() -> None:
    draws = np.array([generator(stream, 0, 1, 2).random(4) for stream in Stream])
    assert len(np.unique(draws)) == draws.size
