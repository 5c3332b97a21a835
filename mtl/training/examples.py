"""A few faces of the test split with what the network looked at, for the report and the video."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mtl.kinds import Kind, columns
from mtl.models.model import Params
from mtl.record.examples import SALIENCY
from mtl.record.saliency import to_bytes
from mtl.streams import Stream, generator
from mtl.training.run import Run

NUM_RANDOM = 24


def show_examples(
    run: Run, params: Params, buffers: dict[str, Tensor], predictions: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Makes what examples.npz holds: random faces, the same in every run, and each task's most confident mistake.

    Returns:
      positions: [M] int64, rows of predictions.npz; the first `num_random` are the random ones, the others follow the
        tasks' order (a task without a mistake repeats its least confident image).
      images: [M, 3, H, W] uint8, as the network sees them.
      SALIENCY: [M, K, H, W] uint8, |gradient of a task's logit| per pixel, scaled so that its largest is 255.
      num_random: int64 scalar.
    """
    kinds = run.data.pack.table.kinds
    positions = choose_positions(kinds, predictions["logits"], predictions["labels"], predictions["mask"])
    rows = run.data.rows["test"][positions]
    images = torch.from_numpy(np.asarray(run.data.pack.images_NCHW)[rows])
    saliency = [
        to_bytes(run.steps.saliency(params, buffers, chunk.to(run.device)).cpu().numpy())
        for chunk in images.split(run.settings.train.batch_size)
    ]
    num_random = len(positions) - len(kinds)
    return {
        "positions": positions,
        "images": images.numpy(),
        SALIENCY: np.concatenate(saliency),
        "num_random": np.array(num_random),
    }


def choose_positions(
    kinds: Sequence[Kind], outputs_NO: np.ndarray, labels_NK: np.ndarray, mask_NK: np.ndarray
) -> np.ndarray:
    """Random rows of the test split, then for each task the row whose wrong answer is the most confident: [M] int64."""
    order = generator(Stream.EXAMPLES).permutation(len(outputs_NO))
    of_tasks = zip(kinds, columns(kinds), labels_NK.T, strict=True)
    wrongness_NK = np.stack([_wrongness(kind, outputs_NO[:, of], labels_N) for kind, of, labels_N in of_tasks], axis=1)
    mistakes = np.where(mask_NK, wrongness_NK, -np.inf).argmax(axis=0)
    return np.concatenate([order[:NUM_RANDOM], mistakes])


def _wrongness(kind: Kind, outputs_NO: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """The logit of what is wrong less that of what is right, or the error of a number."""
    if kind.name == "binary":
        return np.where(labels_N, -outputs_NO[:, 0], outputs_NO[:, 0])
    if kind.name == "regression":
        return np.abs(outputs_NO[:, 0] - labels_N)
    is_right_NO = np.arange(outputs_NO.shape[1]) == labels_N[:, None]
    of_right_N = outputs_NO.max(axis=1, where=is_right_NO, initial=-np.inf)
    return outputs_NO.max(axis=1, where=~is_right_NO, initial=-np.inf) - of_right_N
