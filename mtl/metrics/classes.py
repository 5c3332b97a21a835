"""Scores of tasks of several classes, all from the confusion matrix, whose counts add up over images.

Shape legend: N images, C classes.
"""

import numpy as np

from mtl.metrics.binary import divide


def confusion(outputs_NC: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Images by true class (rows) and by that of the largest logit (columns): [C, C] int64.

    Args:
      outputs_NC: float, logits; of equal ones the first counts.
      labels_N: the number of the class.

    Example:
      >>> confusion(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), np.array([0, 1, 1]))
      array([[1, 0],
             [1, 1]])
    """
    num_classes = outputs_NC.shape[1]
    cells_N = labels_N.astype(np.int64) * num_classes + outputs_NC.argmax(axis=1)
    return np.bincount(cells_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(confusion_CC: np.ndarray) -> np.ndarray:
    """The share of images whose class was said; NaN without an image. Leading axes are other confusions.

    Example:
      >>> float(accuracy(np.array([[1, 0], [1, 2]])))
      0.75
    """
    right = np.trace(confusion_CC, axis1=-2, axis2=-1)
    return divide(right, confusion_CC.sum(axis=(-2, -1)))


def balanced_accuracy(confusion_CC: np.ndarray) -> np.ndarray:
    """The mean over classes of their recall, over those that occur; leading axes are other confusions.

    Example:
      >>> float(balanced_accuracy(np.array([[1, 0], [1, 1]])))  # of 1 and 1/2
      0.75
    """
    right = np.diagonal(confusion_CC, axis1=-2, axis2=-1)
    return _mean_of_known(divide(right, confusion_CC.sum(axis=-1)))


def macro_f1(confusion_CC: np.ndarray) -> np.ndarray:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN), over those that occur or were said.

    Example:
      >>> round(float(macro_f1(np.array([[1, 0], [1, 1]]))), 4)  # of 2/3 and 2/3
      0.6667
    """
    right = np.diagonal(confusion_CC, axis1=-2, axis2=-1)
    return _mean_of_known(divide(2 * right, confusion_CC.sum(axis=-1) + confusion_CC.sum(axis=-2)))


def evaluate(outputs_NC: np.ndarray, labels_N: np.ndarray, guess: float) -> dict[str, float]:
    """The scores of one task under the names of results.json, over images whose labels are known.

    Args:
      outputs_NC, labels_N: as `confusion` takes them.
      guess: the training split's most frequent class; always saying it gives `majority_accuracy`.

    Example:
      >>> evaluate(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), np.array([0, 1, 1]), guess=1)["majority_accuracy"]
      0.6666666666666666
    """
    counts_CC = confusion(outputs_NC, labels_N)
    num_of_guess = counts_CC.sum(axis=1)[int(guess)]
    return {
        "accuracy": float(accuracy(counts_CC)),
        "balanced_accuracy": float(balanced_accuracy(counts_CC)),
        "macro_f1": float(macro_f1(counts_CC)),
        "majority_accuracy": float(divide(num_of_guess, counts_CC.sum())),
    }


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))
