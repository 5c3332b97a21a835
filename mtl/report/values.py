"""A setting as a line of the settings' table, and what the values of those that have few of them mean."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mtl.record.paths import CONFIG
from mtl.record.reading import StudyRecord
from mtl.report.quote import quote, words

OF_VALUES = {
    "model/head_init": {
        "zero": "the heads' last layers begin at 0, so every probability is one half and V is ln 2 before training",
        "base_rate": "the heads' last layers begin with weights 0 and the logits of the shares of positives as biases",
    },
    "model/head": {
        "linear": "a linear map per attribute, from the trunk's averaged features to its logit",
        "mlp": "two layers per attribute with a ReLU between them, from the trunk's averaged features to its logit",
    },
    "data/crop": {
        "square": "the largest centred square, in which the face keeps its proportions",
        "full": "the whole image, squeezed to a square, as published comparisons do",
    },
    "train/optimizer": {
        "adamw": "AdamW: the step of each parameter is scaled by its own gradients of the past",
        "sgd": "stochastic gradient descent with momentum: one rate for all parameters",
    },
    "train/precision": {
        "float32": "of the trunk, as of all else",
        "bfloat16": "of the trunk's convolutions (autocast); features, heads and losses stay in float32",
        "auto": "float32 or bfloat16, whichever was faster when the study began: precision.json has the measurement",
    },
    "dst/period": {
        "epoch": "gates are drawn once per epoch, as in the paper",
        "step": "gates are drawn anew in every step; the paper draws once per epoch",
    },
    "dst/measure": {
        "probe": "V is measured on fixed training images before each epoch, forward only",
        "running": "V is the mean training loss of the epoch before; ahead of the first, on fixed training images",
    },
    "dst/count": {
        "annotated": "the sample count c is that of training images with a label",
        "positives": "the sample count c is that of training images with the attribute, which departs from the paper",
    },
}


class Setting(NamedTuple):
    """A line of the settings' table; all three are markup."""

    field: str
    value: str
    meaning: str


def choice(study: StudyRecord, path: str) -> Setting:
    """A setting with few values."""
    value = _at(study, path)
    return Setting(path.replace("/", "."), words(value), words(OF_VALUES[path][value]))


def number(study: StudyRecord, path: str, meaning: str) -> Setting:
    return Setting(path.replace("/", "."), quote(study, CONFIG, f"config/{path}", "plain"), meaning)


def listed(entries: Sequence[str]) -> str:
    """Names as the value of a setting; markup.

    Example:
      >>> print(listed(["Male", "Young"]), listed([]))
      #"Male, Young"; none
    """
    return words(", ".join(entries)) if entries else "none"


def _at(study: StudyRecord, path: str) -> Any:
    value = study.config["config"]
    for key in path.split("/"):
        value = value[key]
    return value
