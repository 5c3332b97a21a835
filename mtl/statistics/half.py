"""Logits in half precision: small enough to publish, and what all figures of a study are computed from.

A run's logits say what every statistic needs but the labels, which are the data's and not ours to publish. Rounded to
float16 they take 2 bytes per image and task; a study's results.json is computed from the rounded ones from the start,
so that others who have the labels get the same figures to the last bit. Where tasks are not all binary, float32 stays:
among several classes or numbers, rounding would change what is said.
"""

from pathlib import Path

import numpy as np

from mtl.errors import UserError
from mtl.record.files import read_arrays, write_arrays
from mtl.statistics.predictions import Predictions

LARGEST, SMALLEST = np.finfo(np.float16).max, np.finfo(np.float16).smallest_subnormal
ARRAYS = ("ids", "logits", "tasks")


def round_logits(logits_NK: np.ndarray) -> np.ndarray:
    """The logits in float16; none becomes 0 or infinite by it, so that every decision stays.

    Example:
      >>> round_logits(np.array([[0.1234567, -1e-9, 1e9]])).tolist()
      [[0.12347412109375, -5.960464477539063e-08, 65504.0]]
    """
    rounded = np.clip(logits_NK, -LARGEST, LARGEST).astype(np.float16)
    return np.where((rounded == 0) & (logits_NK != 0), np.copysign(SMALLEST, logits_NK), rounded).astype(np.float16)


def in_half_precision(run: Predictions) -> Predictions:
    """The same predictions with rounded logits, as float32; as they are where tasks are not all binary.

    Example:
      >>> column, row = np.ones((1, 1), bool), np.ones(1, bool)
      >>> run = Predictions(np.array([[0.1234567]]), column, column, row, row, ("smile",), np.array(["1.jpg"]))
      >>> in_half_precision(run).logits_NK
      array([[0.12347412]], dtype=float32)
    """
    if run.kinds:
        return run._replace(logits_NK=run.logits_NK.astype(np.float32))
    return run._replace(logits_NK=round_logits(run.logits_NK).astype(np.float32))


def write_logits(path: Path, predictions: dict[str, np.ndarray]) -> None:
    """Writes what may be published of a run's predictions: ids, logits in float16, tasks.

    Example:
      >>> import tempfile
      >>> held = {"ids": np.array(["1.jpg"]), "logits": np.array([[0.5]]), "tasks": np.array(["smile"])}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_logits(Path(folder) / "logits.npz", held | {"labels": np.array([[True]])})
      ...     sorted(read_logits(Path(folder) / "logits.npz"))
      ['ids', 'logits', 'tasks']
    """
    logits = predictions["logits"]
    rounded = logits.astype(np.float32) if "kinds" in predictions else round_logits(logits)
    write_arrays(path, {name: predictions[name] for name in ARRAYS} | {"logits": rounded})


def read_logits(path: Path) -> dict[str, np.ndarray]:
    """Reads them back.

    Raises:
      UserError: if the file is missing, damaged or of other arrays.

    Example:
      >>> import tempfile
      >>> held = {"ids": np.array(["1.jpg"]), "logits": np.array([[0.5]]), "tasks": np.array(["smile"])}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_logits(Path(folder) / "logits.npz", held)
      ...     read_logits(Path(folder) / "logits.npz")["logits"]
      array([[0.5]], dtype=float16)
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing, and without it nothing can be recomputed") from None
    if {*ARRAYS} - {*arrays} or arrays["logits"].ndim != 2 or len(arrays["logits"]) != len(arrays["ids"]):
        raise UserError(f"{path} does not hold ids, tasks and a logit for each: put a whole copy in its place")
    return arrays
