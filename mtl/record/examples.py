"""The test images that a run kept, with what the network said of them and which pixels its answers hang on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.kinds import BINARY, Kind, columns, from_text, in_words
from mtl.metrics.scores import said
from mtl.record.files import read_arrays
from mtl.record.paths import EXAMPLES, PREDICTIONS

SALIENCY = "evidence"  # what examples.npz calls it; the name stays, since runs of before have it


class Examples(NamedTuple):
    """M test images, K tasks.

    Attributes:
      images_MHWC: uint8.
      saliency_MKHW: uint8, |gradient of a task's logit| per pixel, 255 where it is largest.
      probabilities_MK: float64, that the attribute is present, or of the class that is said; NaN of a number.
      labels_MK: bool, the attribute is present; of other tasks, that what is said is right.
      known_MK: bool, there is a label.
      said_MK, truth_MK: str, the answer and the label in a word.
      right_MK: bool, they agree; of a number, that it is no further off than the training split's median.
      tasks: names of the K tasks.
      num_random: how many were drawn at random; the others are the most confident mistakes, one per task.
    """

    images_MHWC: np.ndarray
    saliency_MKHW: np.ndarray
    probabilities_MK: np.ndarray
    labels_MK: np.ndarray
    known_MK: np.ndarray
    said_MK: np.ndarray
    truth_MK: np.ndarray
    right_MK: np.ndarray
    tasks: list[str]
    num_random: int


def read_examples(folder: Path) -> Examples | None:
    """Reads a run's examples.npz, and their predictions; None if it has no such file."""
    if not (folder / EXAMPLES).is_file():
        return None
    examples, predictions = (read_arrays(folder / name) for name in (EXAMPLES, PREDICTIONS))
    rows = examples["positions"]
    outputs_MO, labels_MK = predictions["logits"][rows].astype(np.float64), predictions["labels"][rows]
    kinds = (
        [*map(from_text, predictions["kinds"].tolist())] if "kinds" in predictions else [BINARY] * labels_MK.shape[1]
    )
    of_tasks = [
        _of_task(kind, outputs_MO[:, of], labels_M, float(guess))
        for kind, of, labels_M, guess in zip(kinds, columns(kinds), labels_MK.T, predictions["majority"], strict=True)
    ]
    stacked = [np.stack(values, axis=1) for values in zip(*of_tasks, strict=True)]
    probabilities_MK, present_MK, said_MK, truth_MK, right_MK = stacked
    return Examples(
        images_MHWC=examples["images"].transpose(0, 2, 3, 1),
        saliency_MKHW=examples[SALIENCY],
        probabilities_MK=probabilities_MK,
        labels_MK=present_MK,
        known_MK=predictions["mask"][rows].astype(bool),
        said_MK=said_MK,
        truth_MK=truth_MK,
        right_MK=right_MK,
        tasks=predictions["tasks"].tolist(),
        num_random=int(examples["num_random"]),
    )


def _of_task(kind: Kind, outputs_MO: np.ndarray, labels_M: np.ndarray, guess: float) -> tuple[np.ndarray, ...]:
    """Of one task what `Examples` has of all, from probabilities to what is right."""
    answers_M = said(kind, outputs_MO)
    if kind.name == "regression":
        labels_M = np.nan_to_num(labels_M)
        right_M = np.abs(answers_M - labels_M) <= np.abs(guess - labels_M)
        probabilities_M = np.full(len(answers_M), np.nan)
    else:
        right_M = answers_M == labels_M
        powers_MO = np.exp(outputs_MO - outputs_MO.max(axis=1, keepdims=True))
        largest_M = (powers_MO / powers_MO.sum(axis=1, keepdims=True)).max(axis=1)
        probabilities_M = 1 / (1 + np.exp(-outputs_MO[:, 0])) if kind.name == "binary" else largest_M
    present_M = labels_M.astype(bool) if kind.name == "binary" else right_M
    words = (np.array([in_words(kind, value) for value in values_M]) for values_M in (answers_M, labels_M))
    return probabilities_M, present_M, *words, right_M
