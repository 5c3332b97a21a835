"""What a network says of a face: logits, calibrated probabilities, decisions, and which pixels they hang on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from mtl.errors import UserError
from mtl.kinds import Kind
from mtl.models.images import normalize
from mtl.record.saliency import to_bytes
from mtl.statistics.temperatures import probabilities, softmax
from mtl.trained.folder import Loaded
from mtl.trained.settings import Settings
from mtl.training.measuring import make_predict_step, make_saliency_step

BATCH_SIZE = 32  # faces at once


class Answer(NamedTuple):
    """Of one face; K attributes in the order of the network's, those with yes or no.

    Attributes:
      logit_K: float32, z.
      probability_K: float64, calibrated: p = sigmoid(z / T).
      at_half_K: bool, z > 0, which is p > 0.5.
      at_threshold_K: bool, p > t, the threshold of balanced accuracy on the validation split.
      saliency_KHW: uint8, |gradient of a logit| per pixel, 255 where it is largest; None if nobody asked for it. Of all
        tasks, in the order of the network's.
      others: task that is not binary -> the calibrated probabilities of its classes, or its number in the table's unit.
    """

    logit_K: np.ndarray
    probability_K: np.ndarray
    at_half_K: np.ndarray
    at_threshold_K: np.ndarray
    saliency_KHW: np.ndarray | None
    others: Mapping[str, np.ndarray] = {}


Ask = Callable[[np.ndarray], list[Answer]]


def make_ask(loaded: Loaded, with_saliency: bool = False, batch_size: int = BATCH_SIZE) -> Ask:
    """Makes ask(images_NCHW) -> an answer for each of the images.

    The images are uint8 crops [N, 3, S, S] as `mtl.photos.crops` makes them; N may be 0. Logits do not depend on which
    other images there are but for rounding: on a CPU they are those of the run's predictions.npz to the last bit where
    a batch has as many images as the run's, and to 1e-5 elsewhere.

    Args:
      loaded: of `load_model`.
      with_saliency: costs a backward pass per attribute and batch.
      batch_size: images that go through the network at once.

    Raises:
      UserError: by `ask`, if a logit is not finite.
    """
    settings = loaded.settings
    device = next(iter(loaded.params.trunk.values())).device
    prepare = partial(normalize, mean=settings.mean, std=settings.std)
    predict_step = make_predict_step(loaded.model, prepare, settings.mirrored)
    saliency_step = make_saliency_step(loaded.model, prepare)
    binary = binary_tasks(settings)
    temperatures_K, thresholds_K = (
        np.array([of_tasks[task] for task in binary]) for of_tasks in (settings.temperatures, settings.thresholds)
    )
    others = other_tasks(settings)

    def ask(images_NCHW: np.ndarray) -> list[Answer]:
        batches = torch.from_numpy(images_NCHW).split(batch_size) if len(images_NCHW) else ()
        return [answer for batch in batches for answer in ask_batch(batch.to(device))]

    def ask_batch(images_BCHW: torch.Tensor) -> list[Answer]:
        outputs = predict_step(loaded.params, loaded.buffers, images_BCHW)
        logits = {task: outputs[task].cpu().numpy() for task in settings.tasks}
        if not all(np.isfinite(of_task).all() for of_task in logits.values()):
            raise UserError("the network's answers are no finite numbers: its file is damaged, or its training failed")
        logits_BK = np.concatenate([logits[task] for task in binary] or [np.zeros((len(images_BCHW), 0))], axis=1)
        said_BK = probabilities(logits_BK, temperatures_K)
        maps: Sequence[np.ndarray | None] = [None] * len(logits_BK)
        if with_saliency:
            maps = [*to_bytes(saliency_step(loaded.params, loaded.buffers, images_BCHW).cpu().numpy())]
        said = {task: _say(kind, logits[task], settings.temperatures.get(task, 1.0)) for task, kind in others.items()}
        of_images = [{task: values[row] for task, values in said.items()} for row in range(len(logits_BK))]
        return [*map(Answer, logits_BK, said_BK, logits_BK > 0, said_BK > thresholds_K, maps, of_images)]

    return ask


def binary_tasks(settings: Settings) -> tuple[str, ...]:
    """The attributes with yes or no, in the network's order."""
    return tuple(task for task, kind in zip(settings.tasks, settings.kinds, strict=True) if kind.name == "binary")


def other_tasks(settings: Settings) -> dict[str, Kind]:
    """The other tasks, in the network's order."""
    return {task: kind for task, kind in zip(settings.tasks, settings.kinds, strict=True) if kind.name != "binary"}


def in_words(kind: Kind, values: np.ndarray) -> str:
    """What is said of a task that is not binary: the likeliest class and how likely, or a number."""
    if kind.name == "classes":
        return f"{kind.classes[int(values.argmax())]}, {100 * values.max():.0f}%"
    return f"{values[0]:.4g}"


def _say(kind: Kind, outputs_BO: np.ndarray, temperature: float) -> np.ndarray:
    if kind.name == "classes":
        return softmax(outputs_BO, temperature)
    return kind.mean + kind.std * outputs_BO.astype(np.float64)
