import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._pytree import tree_leaves

from mtl.data.batches import Batch, epoch_order, evaluation_batches, num_train_batches, train_batches
from mtl.data.image_files import ImageSource
from mtl.data.pack import Pack, digest_pixels
from mtl.data.table import Table
from mtl.errors import UserError
from mtl.kinds import BINARY

CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**40)


def make_pack(num_rows: int = 23, num_attributes: int = 3) -> Pack:
    """Every pixel of image n is n, and so are the bits of its labels; the last label of every fourth row is missing."""
    rows = np.arange(num_rows)
    images = np.broadcast_to(rows.astype(np.uint8)[:, None, None, None], (num_rows, 3, 4, 4))
    labels = (rows[:, None] >> np.arange(num_attributes)) % 2 == 1
    mask = np.ones((num_rows, num_attributes), dtype=bool)
    mask[::4, -1] = False
    table = Table(
        ids=rows.astype(str),
        source=ImageSource(Path("nowhere"), ""),
        labels=labels & mask,
        mask=mask,
        split=np.zeros(num_rows, dtype=np.int8),
        identity=rows.astype(np.int32),
        attributes=tuple("abcdefgh"[:num_attributes]),
        kinds=(BINARY,) * num_attributes,
    )
    return Pack(np.array(images), table, (), digest_pixels(np.array(images)))


PACK = make_pack()
ROWS = np.arange(2, 22)  # 20 of the 23


def matrix(per_task: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(per_task.values()), dim=1)


def rows_in(batch: Batch) -> list[int]:
    return batch.inputs[:, 0, 0, 0].tolist()


def train(seed: int = 0, epoch: int = 0, first: int = 0, max_shift: int = 2, flip: bool = True) -> list[Batch]:
    return list(train_batches(PACK, ROWS, seed, epoch, 6, max_shift, CPU, first=first, flip=flip))


def assert_equal(some: Batch, others: Batch) -> None:
    for one, other in zip(tree_leaves(some), tree_leaves(others), strict=True):
        assert torch.equal(one, other)


@given(num_rows=st.integers(0, 300), seed=SEEDS, epoch=st.integers(0, 1000))
def test_order_is_a_permutation_and_a_pure_function(num_rows: int, seed: int, epoch: int) -> None:
    order = epoch_order(num_rows, seed, epoch)
    assert sorted(order.tolist()) == list(range(num_rows))
    np.testing.assert_array_equal(order, epoch_order(num_rows, seed, epoch))


@given(seed=SEEDS, epoch=st.integers(0, 1000))
def test_order_differs_between_seeds_and_epochs(seed: int, epoch: int) -> None:
    order = epoch_order(200, seed, epoch).tolist()
    assert order != epoch_order(200, seed + 1, epoch).tolist()
    assert order != epoch_order(200, seed, epoch + 1).tolist()
    assert seed == epoch or order != epoch_order(200, epoch, seed).tolist()


def test_order_is_the_one_that_older_runs_had() -> None:
    assert epoch_order(10, seed=0, epoch=1).tolist() == [2, 3, 5, 6, 8, 4, 7, 1, 9, 0]


def test_number_of_batches_drops_the_ragged_rest() -> None:
    assert [num_train_batches(num_rows, 4) for num_rows in (4, 7, 8, 9)] == [1, 1, 2, 2]


def test_refuses_fewer_rows_than_a_batch() -> None:
    with pytest.raises(UserError, match=r"20 training images do not fill one batch of 21: .* at most 20"):
        train_batches(PACK, ROWS, 0, 0, 21, 0, CPU)


def test_training_batches_have_the_documented_form() -> None:
    for batch in train():
        assert (batch.inputs.shape, batch.inputs.dtype) == ((6, 3, 4, 4), torch.uint8)
        assert (matrix(batch.labels).shape, matrix(batch.labels).dtype) == ((6, 3), torch.float32)
        assert (matrix(batch.mask).shape, matrix(batch.mask).dtype) == ((6, 3), torch.float32)
        assert (batch.augmentation.flip_B.shape, batch.augmentation.flip_B.dtype) == ((6,), torch.bool)
        assert (batch.augmentation.shift_B2.shape, batch.augmentation.shift_B2.dtype) == ((6, 2), torch.int64)


@given(seed=SEEDS, epoch=st.integers(0, 100))
def test_an_epoch_visits_every_row_once_but_for_the_rest(seed: int, epoch: int) -> None:
    seen = [row for batch in train(seed, epoch) for row in rows_in(batch)]
    assert len(seen) == len(set(seen)) == 18
    assert set(seen) <= set(ROWS.tolist())
    assert seen == ROWS[epoch_order(20, seed, epoch)][:18].tolist()


def test_labels_and_mask_go_with_their_images() -> None:
    for batch in [*train(), *evaluation_batches(PACK, ROWS[:18], 6, CPU)]:
        rows = rows_in(batch)
        np.testing.assert_array_equal(matrix(batch.labels).numpy(), PACK.table.labels[rows])
        np.testing.assert_array_equal(matrix(batch.mask).numpy(), PACK.table.mask[rows])


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_a_resumed_epoch_yields_what_was_left(first: int) -> None:
    whole, rest = train(seed=3, epoch=5), train(seed=3, epoch=5, first=first)
    assert len(rest) == 3 - first
    for some, others in zip(whole[first:], rest, strict=True):
        assert_equal(some, others)


def test_noise_differs_between_batches_epochs_and_seeds() -> None:
    noises = [
        batch.augmentation.shift_B2 for seed in (0, 1) for epoch in (0, 1) for batch in train(seed, epoch, max_shift=50)
    ]
    assert len({tuple(noise.flatten().tolist()) for noise in noises}) == len(noises) == 12


def test_flips_half_and_shifts_evenly() -> None:
    batches = list(train_batches(PACK, np.arange(20).repeat(1000), 0, 0, 1000, 2, CPU))
    flips, shifts = (
        torch.cat([batch.augmentation.flip_B for batch in batches]),
        torch.cat([batch.augmentation.shift_B2 for batch in batches]),
    )
    assert abs(flips.float().mean() - 0.5) < 0.02  # 20,000 draws: 5.7 standard deviations
    for column in shifts.T:
        values, counts = column.unique(return_counts=True)
        assert values.tolist() == [-2, -1, 0, 1, 2]
        assert (counts - 4000).abs().max() < 300  # 5.3 standard deviations
    assert abs(np.corrcoef(shifts.T.numpy())[0, 1]) < 0.04


def test_augmentation_can_be_turned_off() -> None:
    for plain, flipped in zip(train(max_shift=0, flip=False), train(max_shift=0, flip=True), strict=True):
        assert not plain.augmentation.flip_B.any() and flipped.augmentation.flip_B.any()
        assert not plain.augmentation.shift_B2.any()
        assert torch.equal(plain.inputs, flipped.inputs)


@pytest.mark.parametrize(("num_rows", "num_batches"), [(0, 0), (1, 1), (5, 1), (6, 1), (7, 2), (20, 4)])
def test_evaluation_keeps_the_order_and_masks_the_padding(num_rows: int, num_batches: int) -> None:
    rows = ROWS[::-1][:num_rows]
    batches = list(evaluation_batches(PACK, rows, 6, CPU))
    assert len(batches) == num_batches
    assert [row for batch in batches for row in rows_in(batch)][:num_rows] == rows.tolist()
    for number, batch in enumerate(batches):
        assert len(batch.inputs) == 6
        num_real = min(6, num_rows - 6 * number)
        np.testing.assert_array_equal(matrix(batch.mask)[:num_real].numpy(), PACK.table.mask[rows_in(batch)[:num_real]])
        assert not matrix(batch.mask)[num_real:].any()
        assert set(rows_in(batch)[num_real:]) <= {rows[-1]}
        assert not batch.augmentation.flip_B.any() and not batch.augmentation.shift_B2.any()


def prefetching_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_the_thread_ends_with_the_epoch() -> None:
    train()
    assert prefetching_threads() == []


@pytest.mark.parametrize("num_taken", [0, 1, 2])
def test_the_thread_ends_when_the_consumer_stops(num_taken: int) -> None:
    batches = train_batches(PACK, ROWS, 0, 0, 2, 0, CPU)
    for _ in range(num_taken):
        next(batches)
    assert bool(prefetching_threads()) == (num_taken > 0)
    assert isinstance(batches, Iterator)
    batches.close()  # type: ignore[attr-defined]
    assert prefetching_threads() == []


def test_an_error_in_the_thread_reaches_the_consumer() -> None:
    batches = evaluation_batches(PACK, np.array([0, 1, 2, 99]), 2, CPU)
    assert rows_in(next(batches)) == [0, 1]
    with pytest.raises(IndexError, match="99"):
        next(batches)
    assert prefetching_threads() == []


def test_the_pack_stays_as_it_is() -> None:
    batch = next(evaluation_batches(PACK, ROWS, 6, CPU))
    batch.inputs.zero_()
    for labels_B in batch.labels.values():
        labels_B.fill_(7)
    assert PACK.images_NCHW[ROWS[1]].all() and PACK.table.labels.max() == 1
