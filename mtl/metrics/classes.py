"""Scores of tasks of several classes, from counts that add up over images.

Shape legend: N images, C classes.
"""

from typing import NamedTuple

import numpy as np

from mtl.metrics.binary import divide


class Margins(NamedTuple):
    """Images per class, [..., C] each; leading axes are other splits. They add up.

    Attributes:
      right: of the class, and said to be.
      true: of the class.
      said: said to be of the class.
    """

    right: np.ndarray
    true: np.ndarray
    said: np.ndarray


def terms(outputs_NC: np.ndarray, labels_N: np.ndarray) -> Margins:
    """What each image adds to the counts, [N, C] bool each; of equal logits the first counts.

    Example:
      >>> terms(np.array([[2.0, 0.0], [3.0, 1.0]]), np.array([0, 1])).right.astype(int)
      array([[1, 0],
             [0, 0]])
    """
    numbers_C = np.arange(outputs_NC.shape[1])
    said_NC, true_NC = outputs_NC.argmax(axis=1)[:, None] == numbers_C, labels_N[:, None] == numbers_C
    return Margins(said_NC & true_NC, true_NC, said_NC)


def confusion(outputs_NC: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Images by true class (rows) and by that of the largest logit (columns): [C, C] int64.

    Example:
      >>> confusion(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), np.array([0, 1, 1]))
      array([[1, 0],
             [1, 1]])
    """
    num_classes = outputs_NC.shape[1]
    cells_N = labels_N.astype(np.int64) * num_classes + outputs_NC.argmax(axis=1)
    return np.bincount(cells_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(counts: Margins) -> np.ndarray:
    """The share of images whose class was said, [...]; NaN without an image.

    Example:
      >>> float(accuracy(Margins(*np.array([[1, 2], [1, 3], [2, 2]]))))
      0.75
    """
    return divide(counts.right.sum(axis=-1), counts.true.sum(axis=-1))


def balanced_accuracy(counts: Margins) -> np.ndarray:
    """The mean over classes of their recall, over those that occur, [...].

    Example:
      >>> float(balanced_accuracy(Margins(*np.array([[1, 1], [1, 2], [2, 1]]))))  # of 1 and 1/2
      0.75
    """
    return _mean_of_known(divide(counts.right, counts.true))


def macro_f1(counts: Margins) -> np.ndarray:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN), over those that occur or were said, [...].

    Example:
      >>> round(float(macro_f1(Margins(*np.array([[1, 1], [1, 2], [2, 1]])))), 4)  # of 2/3 and 2/3
      0.6667
    """
    return _mean_of_known(divide(2 * counts.right, counts.true + counts.said))


def evaluate(outputs_NC: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, float]:
    """The scores of one task under the names of results.json, over images whose labels are known.

    Args:
      outputs_NC: float, logits.
      labels_N: the number of the class.
      guess: the training split's most frequent class; always saying it gives `majority_accuracy`.

    Example:
      >>> evaluate(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), np.array([0, 1, 1]), guess=1)["majority_accuracy"]
      0.6666666666666666
    """
    counts = Margins(*(term.sum(axis=0) for term in terms(outputs_NC, labels_N)))
    return {
        "accuracy": float(accuracy(counts)),
        "balanced_accuracy": float(balanced_accuracy(counts)),
        "macro_f1": float(macro_f1(counts)),
        "majority_accuracy": float(divide(counts.true[int(guess)], counts.true.sum())),
    }


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))
