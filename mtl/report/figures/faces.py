"""Faces of the test split with what the network says about them. Only these figures hold images of the data set."""

import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mtl.record.examples import read_examples as read_of_run
from mtl.record.reading import StudyRecord
from mtl.record.saliency import overlay
from mtl.report import style
from mtl.report.names import task_name
from mtl.report.shown import example_run
from mtl.report.terms import tasks_of, terms

LINE = 2.6  # height of a line of text below a face, mm
MAX_LINES = 9
NUM_SALIENCY_FACES, NUM_SALIENCY_TASKS = 6, 8
ENLARGEMENT = 4  # small faces are smoothed rather than shown as squares


class Face(NamedTuple):
    """One test image: pixels [H, W, 3] uint8, saliency [K, H, W] uint8, and per task what is said, true and known.

    See `mtl.record.examples.Examples`.
    """

    image: np.ndarray
    saliency: np.ndarray
    probability_K: np.ndarray
    label_K: np.ndarray
    known_K: np.ndarray
    said_K: np.ndarray
    truth_K: np.ndarray
    right_K: np.ndarray


class Examples(NamedTuple):
    """The example faces of one run: some drawn at random, and per task the most confident mistake."""

    random: list[Face]
    mistakes: list[Face]


def read_examples(study: StudyRecord) -> Examples | None:
    """The examples of `example_run`."""
    run = example_run(study)
    found = None if run is None else read_of_run(run.folder)
    if found is None:
        return None
    *of_images, _, num_random = found
    faces = [Face(*of_image) for of_image in zip(*of_images, strict=True)]
    return Examples(faces[:num_random], faces[num_random:])


def faces(study: StudyRecord) -> Figure | None:
    """Faces drawn at random, with the attributes that the network sees; mistakes are marked."""
    examples = read_examples(study)
    if examples is None or not examples.random:
        return None
    tasks, binary = study.results["tasks"], tasks_of(study, "binary")
    num_columns, gap = 6, 3.0
    side = (style.WIDTH + gap) / num_columns - gap
    described = [describe(face, tasks, binary) for face in examples.random]
    rows = [slice(start, start + num_columns) for start in range(0, len(described), num_columns)]
    heights = [side + 2.5 + LINE * max(map(len, described[row])) + 2 for row in rows]
    while sum(heights) > style.MAX_HEIGHT - 5 and len(rows) > 1:
        rows.pop(), heights.pop()
    figure, axes = _page(sum(heights) + 5)
    top = 0.0
    for row, height in zip(rows, heights, strict=True):
        for column, (face, lines) in enumerate(zip(examples.random[row], described[row], strict=True)):
            left = column * (side + gap)
            _draw_image(axes, face.image, left, top, side)
            for number, (text, colour) in enumerate(lines):
                axes.text(left, top + side + 1 + LINE * (number + 0.5), text, color=colour, size=5.5, va="center")
        top += height
    style.note(
        figure,
        f"Below each {terms(study).image}: what the network sees in it.  "
        + "✗ seen, but not labelled.  ○ labelled, but missed."
        + ("  ✗ of a number: further off than the training median." if tasks_of(study, "regression") else ""),
    )
    return figure


def mistakes(study: StudyRecord) -> Figure | None:
    """Per task the test image on which the network is most certain of a wrong answer."""
    examples = read_examples(study)
    if examples is None or not examples.mistakes:
        return None
    tasks = study.results["tasks"]
    num_columns, gap = (8, 3.0) if len(tasks) > 15 else (5, 4.0)
    side = min((style.WIDTH + gap) / num_columns - gap, 26.0)
    pitch = side + gap if num_columns == 8 else style.WIDTH / num_columns
    height = side + 13
    figure, axes = _page(height * -(-len(tasks) // num_columns))
    for index, (task, face) in enumerate(zip(tasks, examples.mistakes, strict=True)):
        left, top = (index % num_columns) * pitch, (index // num_columns) * height
        wrong = face.known_K[index] and not face.right_K[index]
        _draw_image(axes, face.image, left, top, side)
        lines = [
            (textwrap.shorten(task_name(task), 19, placeholder="…"), style.INK),
            (f"said {_sure(face, index, task in tasks_of(study, 'binary'), 1)}", style.WRONG if wrong else style.INK),
            (f"label: {face.truth_K[index] if face.known_K[index] else 'unknown'}", style.INK),
        ]
        for number, (text, colour) in enumerate(lines):
            weight = "bold" if number == 0 else "normal"
            place = top + side + 1 + 3 * (number + 0.5)
            axes.text(
                left, place, text, color=colour, size=style.SMALL if num_columns < 8 else 5, va="center", weight=weight
            )
    return figure


def saliency(study: StudyRecord) -> Figure | None:
    """Which pixels of a face each attribute's answer hangs on: the gradient of its logit, laid over the image."""
    examples = read_examples(study)
    if examples is None or not examples.random:
        return None
    tasks = study.results["tasks"][:NUM_SALIENCY_TASKS]
    faces = examples.random[:NUM_SALIENCY_FACES]
    gap, top = 1.5, 8.0
    side = min((style.WIDTH + gap) / (len(tasks) + 1) - gap, 26.0)
    height = side + 4.2
    figure, axes = _page(top + height * len(faces) + 4)
    for column, task in enumerate(tasks):
        name = textwrap.fill(task_name(task), 11)
        axes.text((column + 1) * (side + gap) + side / 2, top - 1, name, size=style.SMALL, ha="center", va="bottom")
    for row, face in enumerate(faces):
        place = top + row * height
        _draw_image(axes, face.image, 0, place, side)
        for k in range(len(tasks)):
            left = (k + 1) * (side + gap)
            _draw_image(axes, overlay(face.image, face.saliency[k]), left, place, side)
            wrong = face.known_K[k] and not face.right_K[k]
            is_binary = tasks[k] in tasks_of(study, "binary")
            said = f"{100 * face.probability_K[k]:.0f}%" if is_binary else _sure(face, k, False, 0)
            text = f"{said}{' ✗' if wrong else ''}"
            colour = style.WRONG if wrong else style.INK
            axes.text(left + side / 2, place + side + 1.8, text, size=5.5, color=colour, ha="center", va="center")
    style.note(
        figure,
        "Per cent: predicted probability; ✗: the label says otherwise. The redder a pixel, the more it counts.",
    )
    return figure


def _sure(face: Face, k: int, is_binary: bool, digits: int) -> str:
    """What is said, and how sure it is, where that is known."""
    probability = face.probability_K[k]
    if np.isnan(probability):
        return str(face.said_K[k])
    sureness = max(probability, 1 - probability) if is_binary else probability
    return f"{face.said_K[k]}, {100 * sureness:.{digits}f}%"


def describe(face: Face, tasks: list[str], binary: list[str]) -> list[tuple[str, str]]:
    """Lines of text and their colours: the attributes seen, with a cross where the label says no, then those missed.

    Mistakes come first where there are too many lines; before all what is said of tasks that are not binary.
    """
    is_binary, names = np.array([task in binary for task in tasks]), [task_name(task) for task in tasks]
    others = [
        (f"{names[k]}: {face.said_K[k]}", style.INK)
        if face.right_K[k] or not face.known_K[k]
        else (f"✗ {names[k]}: {face.said_K[k]} ({face.truth_K[k]})", style.WRONG)
        for k in np.flatnonzero(~is_binary)
    ]
    said = (face.probability_K > 0.5) & is_binary
    wrong = face.known_K & ~face.right_K & is_binary
    seen = [(name, style.INK) for name, yes in zip(names, said & ~wrong, strict=True) if yes]
    mistaken = [(f"✗ {name}", style.WRONG) for name, yes in zip(names, said & wrong, strict=True) if yes]
    missed = [(f"○ {name}", style.MISSED) for name, yes in zip(names, ~said & wrong, strict=True) if yes]
    room = max(0, MAX_LINES - 1 - len(mistaken) - len(missed) - len(others))
    if len(seen) + len(mistaken) + len(missed) + len(others) > MAX_LINES:
        seen = [*seen[:room], (f"and {len(seen) - room} more", style.GREY)]
    return [*others, *seen, *mistaken, *missed] or [("none of the attributes", style.GREY)]


def _page(height: float) -> tuple[Figure, Axes]:
    """A figure, and axes over all of it in mm from its upper left corner."""
    figure = style.new_figure(height)
    axes = style.panel(figure, 0, 0, style.WIDTH, height)
    axes.set(xlim=(0, style.WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def _draw_image(axes: Axes, image: np.ndarray, left: float, top: float, side: float) -> None:
    height, width = image.shape[:2]
    size = (ENLARGEMENT * width, ENLARGEMENT * height)
    large = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    axes.imshow(large, extent=(left, left + side, top + side, top), aspect="auto", interpolation="none")
