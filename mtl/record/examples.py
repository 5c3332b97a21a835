"""The test images that a run kept, with what the network said of them and which pixels its answers hang on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.record.files import read_arrays
from mtl.record.paths import EXAMPLES, PREDICTIONS

SALIENCY = "evidence"  # what examples.npz calls it; the name stays, since runs of before have it


class Examples(NamedTuple):
    """M test images, K tasks.

    Attributes:
      images_MHWC: uint8.
      saliency_MKHW: uint8, |gradient of a task's logit| per pixel, 255 where it is largest.
      probabilities_MK: float64, predicted, that the attribute is present.
      labels_MK: bool, the attribute is present.
      known_MK: bool, there is a label.
      tasks: names of the K columns.
      num_random: how many were drawn at random; the others are the most confident mistakes, one per task.
    """

    images_MHWC: np.ndarray
    saliency_MKHW: np.ndarray
    probabilities_MK: np.ndarray
    labels_MK: np.ndarray
    known_MK: np.ndarray
    tasks: list[str]
    num_random: int


def read_examples(folder: Path) -> Examples | None:
    """Reads a run's examples.npz, and their predictions; None if it has no such file."""
    if not (folder / EXAMPLES).is_file():
        return None
    examples, predictions = (read_arrays(folder / name) for name in (EXAMPLES, PREDICTIONS))
    rows = examples["positions"]
    return Examples(
        images_MHWC=examples["images"].transpose(0, 2, 3, 1),
        saliency_MKHW=examples[SALIENCY],
        probabilities_MK=1 / (1 + np.exp(-predictions["logits"][rows].astype(np.float64))),
        labels_MK=predictions["labels"][rows].astype(bool),
        known_MK=predictions["mask"][rows].astype(bool),
        tasks=predictions["tasks"].tolist(),
        num_random=int(examples["num_random"]),
    )
