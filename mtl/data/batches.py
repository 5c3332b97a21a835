"""A pack of images becomes batches on the device, in an order that is a pure function of (seed, epoch)."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl.batch import Batch
from mtl.data.pack import Pack
from mtl.data.table import Table
from mtl.errors import UserError
from mtl.models.images import Augmentation
from mtl.streams import Stream, generator

NUM_PREFETCHED = 2
WHOLE = slice(None)


class _Arrays(NamedTuple):
    """A batch on its way to the device, labels still in one matrix. B images, K attributes."""

    images_BCHW: Tensor  # uint8
    labels_BK: Tensor  # float32: 1 where the attribute is present, else 0; the number of a class; or a number
    mask_BK: Tensor  # float32: 1 where the label of a real row is known; 0 for a padding row
    flip_B: Tensor  # bool: mirror the image
    shift_B2: Tensor  # int64: rows and columns to move by, pixels, in [-max_shift, max_shift]
    uniforms_K: Tensor  # float32 in [0, 1)
    number: Tensor  # int64 scalar: which batch of the epoch it is, from 0


def epoch_order(num_rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch visits its rows, a permutation of `range(num_rows)`: [num_rows] int64.

    Example:
      >>> epoch_order(5, seed=0, epoch=1), epoch_order(5, seed=0, epoch=2)
      (array([1, 2, 4, 0, 3]), array([0, 1, 3, 4, 2]))
    """
    return generator(Stream.ORDER, seed, epoch).permutation(num_rows)


def num_train_batches(num_rows: int, batch_size: int) -> int:
    """How many batches an epoch has. The ragged rest is dropped: it would recompile, and each epoch drops another one.

    Raises:
      UserError: if the rows do not fill one batch.

    Example:
      >>> num_train_batches(100, batch_size=32)  # 4 images are left out
      3
    """
    if num_rows < batch_size:
        raise UserError(
            f"{num_rows} training images do not fill one batch of {batch_size}: "
            f"choose a batch_size of at most {num_rows}",
            "batch_size",
        )
    return num_rows // batch_size


def batch_rows(rows: np.ndarray, seed: int, epoch: int, batch_size: int, number: int) -> np.ndarray:
    """Which of `rows` are batch `number` of an epoch.

    Example:
      >>> batch_rows(np.array([10, 11, 12, 13, 14]), seed=0, epoch=1, batch_size=2, number=1)
      array([14, 10])
    """
    return rows[epoch_order(len(rows), seed, epoch)][number * batch_size : (number + 1) * batch_size]


def train_batches(
    pack: Pack,
    rows: np.ndarray,
    seed: int,
    epoch: int,
    batch_size: int,
    max_shift: int,
    device: torch.device,
    first: int = 0,
    flip: bool = True,
    mine: slice = WHOLE,
) -> Iterator[Batch]:
    """One epoch of training batches, in random order, with random flips and shifts.

    Batch number n is a pure function of (seed, epoch, n), so a resumed epoch yields the very batches it had left.

    Args:
      pack: pixels and labels.
      rows: [num_rows] int, the rows of the pack to train on.
      seed: of the order and the augmentation; not negative.
      epoch: which epoch; not negative.
      batch_size: B.
      max_shift: the largest shift, pixels; 0 for none.
      device: where the batches go.
      first: the number of the batch to begin with.
      flip: whether half of the images, drawn at random, are mirrored.
      mine: which rows of each batch, where several processes share it; what is drawn is drawn for the whole.

    Returns:
      The batches numbered `first` to `num_train_batches(num_rows, batch_size) - 1`.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> known, nobody, split = np.ones((5, 1), bool), np.full(5, -1), np.zeros(5, np.int8)
      >>> names, kinds = ("Male",), (BINARY,)
      >>> table = Table(np.arange(5).astype(str), ImageSource(None, ""), known, known, split, nobody, names, kinds)
      >>> pack = Pack(np.arange(15, dtype=np.uint8).reshape(5, 3, 1, 1) // 3, table, (), "")
      >>> batches = train_batches(pack, np.arange(5), 0, 1, batch_size=2, max_shift=0, device=torch.device("cpu"))
      >>> [batch.inputs[:, 0, 0, 0].tolist() for batch in batches]  # as `epoch_order`
      [[1, 2], [4, 0]]
    """
    num_batches = num_train_batches(len(rows), batch_size)
    order = rows[epoch_order(len(rows), seed, epoch)]

    def make(number: int) -> _Arrays:
        noise = generator(Stream.AUGMENTATION, seed, epoch, number)
        flip_B = (noise.random(batch_size) < 0.5) & flip
        shift_B2 = noise.integers(-max_shift, max_shift, (batch_size, 2), endpoint=True)
        uniforms_K = noise.random(len(pack.table.attributes), dtype=np.float32)
        chosen = order[number * batch_size : (number + 1) * batch_size]
        return _gather(pack, chosen[mine], flip_B[mine], shift_B2[mine], uniforms_K, number)

    return _prefetch(make, range(first, num_batches), pack.table, device)


def evaluation_batches(
    pack: Pack, rows: np.ndarray, batch_size: int, device: torch.device, mine: slice = WHOLE
) -> Iterator[Batch]:
    """All `rows` in their order, neither flipped nor shifted.

    The last batch is padded to `batch_size` by repeating the last row, with mask 0; so of the joined outputs the first
    `len(rows)` are the real ones.

    Args: as `train_batches`'s.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> known, nobody, split = np.ones((3, 1), bool), np.full(3, -1), np.zeros(3, np.int8)
      >>> names, kinds = ("Male",), (BINARY,)
      >>> table = Table(np.arange(3).astype(str), ImageSource(None, ""), known, known, split, nobody, names, kinds)
      >>> pack = Pack(np.zeros((3, 3, 1, 1), np.uint8), table, (), "")
      >>> batches = evaluation_batches(pack, np.arange(3), batch_size=2, device=torch.device("cpu"))
      >>> [batch.mask["Male"].tolist() for batch in batches]  # the last row is padding
      [[1.0, 1.0], [1.0, 0.0]]
    """

    def make(number: int) -> _Arrays:
        real = rows[number * batch_size : (number + 1) * batch_size]
        padded = np.pad(real, (0, batch_size - len(real)), mode="edge")[mine]
        still = np.zeros(len(padded), dtype=bool), np.zeros((len(padded), 2), dtype=np.int64)
        batch = _gather(pack, padded, *still, np.zeros(len(pack.table.attributes), dtype=np.float32), number)
        batch.mask_BK[np.arange(batch_size)[mine] >= len(real)] = 0
        return batch

    return _prefetch(make, range(-(-len(rows) // batch_size)), pack.table, device)


def _gather(
    pack: Pack, rows: np.ndarray, flip_B: np.ndarray, shift_B2: np.ndarray, uniforms_K: np.ndarray, number: int
) -> _Arrays:
    return _Arrays(
        images_BCHW=torch.from_numpy(np.asarray(pack.images_NCHW)[rows]),
        labels_BK=torch.from_numpy(pack.table.labels[rows].astype(np.float32)),
        mask_BK=torch.from_numpy(pack.table.mask[rows].astype(np.float32)),
        flip_B=torch.from_numpy(flip_B),
        shift_B2=torch.from_numpy(shift_B2),
        uniforms_K=torch.from_numpy(uniforms_K),
        number=torch.tensor(number),
    )


def _as_batch(arrays: _Arrays, table: Table) -> Batch:
    tasks = table.attributes
    labels, mask = (dict(zip(tasks, of.unbind(1), strict=True)) for of in (arrays.labels_BK, arrays.mask_BK))
    of_classes = [task for task, kind in zip(tasks, table.kinds, strict=True) if kind.name == "classes"]
    labels |= {task: labels[task].long() for task in of_classes}  # as their loss takes them
    augmentation = Augmentation(arrays.flip_B, arrays.shift_B2)
    return Batch(arrays.images_BCHW, labels, mask, augmentation, arrays.uniforms_K, arrays.number)


def _prefetch(make: Callable[[int], _Arrays], numbers: range, table: Table, device: torch.device) -> Iterator[Batch]:
    """Yields `make(number)` on the device for every number; a thread makes the next ones meanwhile."""
    pinned = device.type == "cuda"

    def make_pinned(number: int) -> _Arrays:
        arrays = make(number)
        return _Arrays(*(tensor.pin_memory() for tensor in arrays)) if pinned else arrays

    # Leaving this block, early or not, waits for the batches under way and ends the thread.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        waiting = deque(pool.submit(make_pinned, number) for number in numbers[:NUM_PREFETCHED])
        for following in [*numbers[NUM_PREFETCHED:], *[None] * len(waiting)]:
            arrays = waiting.popleft().result()
            if following is not None:
                waiting.append(pool.submit(make_pinned, following))
            # Copied by the thread that computes, so that the copy is in order on its CUDA stream.
            yield _as_batch(_Arrays(*(tensor.to(device, non_blocking=pinned) for tensor in arrays)), table)
