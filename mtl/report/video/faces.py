"""Faces of the test split: what the network says of each, where it looks, and its most confident mistakes."""

from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from mtl.record.examples import read_examples
from mtl.record.reading import RunRecord, StudyRecord
from mtl.report.names import task_name
from mtl.report.terms import Terms, tasks_of, terms
from mtl.report.video import words
from mtl.report.video.canvas import (
    HEIGHT,
    MUTED,
    PANEL,
    RIGHT,
    RULE,
    TEXT,
    WIDTH,
    WRONG,
    Box,
    Canvas,
    check,
    cross,
    line,
    panel,
    picture,
    rectangle,
    write,
)
from mtl.report.video.film import Shot

NUM_FACES = 8
NUM_LOOKED_INTO = 4  # of them
NUM_TILES = 8  # tasks whose saliency is shown side by side; mistakes that are shown
FACE: Box = (40, 96, 500, 556)
# Black, through purple and orange, to pale yellow: dark to light, so that it reads without colour too.
HEAT = np.array([[0, 0, 0], [60, 15, 90], [160, 45, 95], [230, 100, 40], [250, 185, 40], [255, 250, 200]])


class Face(NamedTuple):
    """A test image and what is said of it; per task in the order of `tasks`."""

    image: Image.Image
    tasks: list[str]
    probabilities_K: np.ndarray  # that the attribute is present
    labels_K: np.ndarray  # bool
    known_K: np.ndarray  # bool, whether there is a label
    saliency_KHW: np.ndarray  # uint8
    said_K: np.ndarray  # str, the answer in a word
    truth_K: np.ndarray  # str, the label in a word
    right_K: np.ndarray  # bool, whether they agree
    terms: Terms
    binary_K: np.ndarray  # bool, whether it is a question of yes or no


class Faces(NamedTuple):
    """Examples of a run: drawn at random, and the most confident mistake of each task that has one."""

    random: list[Face]
    mistakes: list[tuple[int, Face]]  # the task's index, the face


def read_faces(study: StudyRecord, run: RunRecord) -> Faces:
    """Reads a run's examples.npz with their predictions; none if the run has no such file."""
    found = read_examples(run.folder)
    if found is None:
        return Faces([], [])
    *of_images, tasks, num_random = found
    called, binary_K = terms(study), np.array([task in tasks_of(study, "binary") for task in tasks])
    faces = [
        Face(
            Image.fromarray(image), tasks, p_K, labels_K, known_K, saliency, said_K, truth_K, right_K, called, binary_K
        )
        for image, saliency, p_K, labels_K, known_K, said_K, truth_K, right_K in zip(*of_images, strict=True)
    ]
    mistakes = [(k, face) for k, face in enumerate(faces[num_random:]) if face.known_K[k] and not is_right(face, k)]
    return Faces(faces[:num_random], mistakes)


def is_right(face: Face, k: int | np.integer) -> bool:
    """Whether the more probable answer is the label; of a number, whether it is no further off than the guess."""
    return bool(face.right_K[k])


def answer(face: Face, k: int | np.integer, digits: int = 0) -> str:
    """What is said, and how sure it is, where that is known."""
    probability = float(face.probabilities_K[k])
    if face.binary_K[k]:
        return words.answer(probability, digits)
    return str(face.said_K[k]) + ("" if np.isnan(probability) else f", {words.percent(probability, digits)}")


def faces(examples: Faces, tasks: list[str]) -> list[Shot]:
    """A still of each random face, for some a second one with the saliency, and one of the mistakes."""
    shots = []
    random = examples.random[:NUM_FACES]
    for n, face in enumerate(random):
        columns = [face.tasks.index(task) for task in tasks]
        place = f"test {face.terms.image} {n + 1} of {len(random)}, drawn at random"
        shots.append(Shot(partial(_draw_answers, face=face, columns=columns, place=place), 1.7, 0.2))
        if n < NUM_LOOKED_INTO:
            shots.append(Shot(partial(_draw_saliency, face=face, columns=columns, place=place), 2.4, 0.3))
    if examples.mistakes:
        shots.append(Shot(partial(_draw_mistakes, mistakes=examples.mistakes[:NUM_TILES]), 4.5, 0.4))
    return shots


def _draw_face(canvas: Canvas, face: Face, title: str, place: str) -> None:
    write(canvas, 40, 44, title, 30, bold=True)
    write(canvas, WIDTH - 40, 44, place, 20, MUTED, "rm")
    picture(canvas, face.image, FACE)
    right = sum(is_right(face, k) for k in np.flatnonzero(face.known_K))
    write(canvas, 270, 590, f"{right} of {int(face.known_K.sum())} {face.terms.task}s right", 24, TEXT, "mm")


def _explain(canvas: Canvas, sentence: str) -> None:
    write(canvas, WIDTH / 2, HEIGHT - 40, sentence, 20, MUTED, "mm")


def _draw_answers(canvas: Canvas, face: Face, columns: list[int], place: str) -> None:
    """Each attribute: right or wrong, how probable it is, what the label says."""
    _draw_face(canvas, face, "What the network says", place)
    box: Box = (530, 96, WIDTH - 40, 630)
    panel(canvas, box)
    name_x, no_x, yes_x = box[0] + 60, box[0] + 270, box[0] + 490
    middle = (no_x + yes_x) / 2
    for x, heading, anchor in ((no_x, "no", "lm"), (middle, "50 %", "mm"), (yes_x, "yes", "rm")):
        write(canvas, x, box[1] + 26, heading, 16, MUTED, anchor)
    top = box[1] + 46
    row = min(56.0, (box[3] - 44 - top) / len(columns))
    for n, k in enumerate(columns):
        y, size = top + row * (n + 0.5), min(20.0, 0.6 * row)
        probability, known = float(face.probabilities_K[k]), bool(face.known_K[k])
        colour = MUTED if not known else RIGHT if is_right(face, k) else WRONG
        if known:
            (check if is_right(face, k) else cross)(canvas, box[0] + 32, y, 8, colour)
        write(canvas, name_x, y, task_name(face.tasks[k]), size, width=195)
        if face.binary_K[k]:
            rectangle(canvas, (no_x, y - 7, yes_x, y + 7), RULE, 3)
            end = no_x + probability * (yes_x - no_x)
            rectangle(canvas, (min(middle, end), y - 7, max(middle, end), y + 7), colour, 3)
            line(canvas, [(middle, y - 11), (middle, y + 11)], TEXT, 1.5)
        truth = "" if not known or is_right(face, k) else f"label: {face.truth_K[k]}"
        write(canvas, yes_x + 16 if face.binary_K[k] else no_x, y, answer(face, k), size)
        write(canvas, box[2] - 20, y, truth, 0.85 * size, colour, "rm")
    if len(face.tasks) > len(columns):
        more = f"and {len(face.tasks) - len(columns)} more {face.terms.task}s"
        write(canvas, box[2] - 20, box[3] - 22, more, 16, MUTED, "rm")

    what = "the attribute" if face.terms.task == "attribute" else "yes"
    agrees = "blue with a check: the label agrees, orange with a cross: it does not"
    _explain(canvas, f"Bar: how probable {what} is; {agrees}")


def _draw_saliency(canvas: Canvas, face: Face, columns: list[int], place: str) -> None:
    """The face once for each task, lit where the task's answer depends on the pixels."""
    _draw_face(canvas, face, "Which pixels it hangs on", place)
    left, top, gap = 530, 96, 14
    side = (WIDTH - 40 - left - 3 * gap) / 4
    for n, k in enumerate(columns[:NUM_TILES]):
        x, y = left + n % 4 * (side + gap), top + n // 4 * (side + 76)
        picture(canvas, lit(face.image, face.saliency_KHW[k]), (x, y, x + side, y + side))
        colour = MUTED if not face.known_K[k] else RIGHT if is_right(face, k) else WRONG
        write(canvas, x + side / 2, y + side + 18, task_name(face.tasks[k]), 18, TEXT, "mm", width=side)
        write(canvas, x + side / 2, y + side + 41, answer(face, k), 17, colour, "mm")
    explained = "Bright: changing these pixels changes the answer most (gradient of the answer at the pixels, smoothed)"
    _explain(canvas, explained)


def lit(image: Image.Image, saliency_HW: np.ndarray) -> Image.Image:
    """The face in grey, with the heat of its saliency over it, at 8 times the size.

    Args:
      image: H x W pixels.
      saliency_HW: uint8. It is blurred by 1/40 of the width, since single pixels of a gradient jump about.
    """
    large = (8 * image.width, 8 * image.height)
    heat = Image.fromarray(saliency_HW).filter(ImageFilter.GaussianBlur(image.width / 40))
    share = np.asarray(heat.resize(large, Image.Resampling.BICUBIC), dtype=np.float64)
    share = share / max(share.max(), 1.0)
    knots = np.linspace(0, 1, len(HEAT))
    colours_HWC = np.stack([np.interp(share, knots, HEAT[:, c]) for c in range(3)], axis=-1)
    grey_HWC = np.asarray(image.convert("L").resize(large, Image.Resampling.BICUBIC), dtype=np.float64)[..., None]
    weight_HWC = (0.9 * share**0.8)[..., None]
    return Image.fromarray((0.55 * grey_HWC * (1 - weight_HWC) + colours_HWC * weight_HWC).astype(np.uint8))


def _draw_mistakes(canvas: Canvas, mistakes: list[tuple[int, Face]]) -> None:
    """A tile for each task: the face, what was said of it, and what the label says."""
    write(canvas, 40, 44, "The most confident mistakes", 30, bold=True)
    called = mistakes[0][1].terms
    shown = words.share_of(len(mistakes), len(mistakes[0][1].tasks), f"{called.task}s")
    explained = f"{shown}: of all test {called.image}s, the surest wrong answer"
    write(canvas, WIDTH - 40, 44, explained, 20, MUTED, "rm")
    width, height, gap = (WIDTH - 80 - 3 * 14) / 4, 300.0, 14
    for n, (k, face) in enumerate(mistakes):
        x, y = 40 + n % 4 * (width + gap), 84 + n // 4 * (height + gap)
        rectangle(canvas, (x, y, x + width, y + height), PANEL, 12)
        picture(canvas, face.image, (x + 12, y + 12, x + width - 12, y + height - 88))
        middle = x + width / 2
        write(canvas, middle, y + height - 68, task_name(face.tasks[k]), 19, TEXT, "mm", True, width - 24)
        write(
            canvas,
            middle,
            y + height - 43,
            f"network: {answer(face, k, 1)}",
            17,
            WRONG,
            "mm",
        )
        write(canvas, middle, y + height - 20, f"label: {face.truth_K[k]}", 17, MUTED, "mm")
