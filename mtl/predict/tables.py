"""A line per face: as JSON, and as a row of a CSV file that spreadsheets open."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mtl.kinds import Kind
from mtl.predict.seeing import SeenPhoto

Line = dict[str, Any]
SIDES = ("left", "top", "right", "bottom")
LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # left and right as seen
VALUES = ("logit", "probability", "at_half", "at_threshold")  # of an attribute


def face_lines(photo: SeenPhoto, tasks: Sequence[str], others: Mapping[str, Kind] = {}) -> list[Line]:
    """What there is to say of the faces of a photo; none, no line.

    Logits have the digits that give the same float32 when they are read back, probabilities those of float64; boxes and
    landmarks are in pixels of the upright photo, to a hundredth.

    Args:
      photo: of `see`.
      tasks: names, in the order of the network's attributes, of those with yes or no.
      others: name -> kind of the tasks that are not: they have a class with the probability of each, or a value.

    Example:
      >>> from pathlib import Path
      >>> face_lines(SeenPhoto(Path("wall.jpg"), [], "no face was found in wall.jpg.", (8, 6), None), ["Smiling"])
      []
    """
    lines = []
    for number, (crop, answer) in enumerate(photo.faces, 1):
        columns = (
            [float(str(logit)) for logit in answer.logit_K],  # of a float32, str() gives the fewest digits
            answer.probability_K.tolist(),
            answer.at_half_K.tolist(),
            answer.at_threshold_K.tolist(),
        )
        said = [dict(zip(VALUES, values, strict=True)) for values in zip(*columns, strict=True)]
        lines.append(
            {
                "file": str(photo.file),
                "face": number,
                "box": crop.box_4.round(2).tolist(),
                "landmarks": None if crop.landmarks_52 is None else crop.landmarks_52.round(2).tolist(),
                "attributes": dict(zip(tasks, said, strict=True))
                | {task: _other(kind, answer.others[task]) for task, kind in others.items()},
            }
        )
    return lines


def _other(kind: Kind, values: np.ndarray) -> dict[str, Any]:
    if kind.name == "regression":
        return {"value": float(values[0])}
    chances = dict(zip(kind.classes, values.tolist(), strict=True))
    return {"class": max(chances, key=lambda name: chances[name]), "probabilities": chances}


def as_json_lines(lines: Iterable[Line]) -> bytes:
    """A face per line, UTF-8.

    Example:
      >>> as_json_lines([{"file": "me.jpg", "face": 1}])
      b'{"file": "me.jpg", "face": 1}\\n'
    """
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()


def as_csv(lines: Iterable[Line], tasks: Sequence[str], others: Mapping[str, Kind] = {}) -> bytes:
    """A header and a row per face, UTF-8; decisions are 1 and 0, landmarks that were not sought are empty.

    No cell begins as a formula does, whatever files and attributes are called: a spreadsheet would execute it. A byte
    of a file name that is no UTF-8 is written with a backslash.

    Example:
      >>> said = dict(logit=0.5, probability=0.6, at_half=True, at_threshold=False)
      >>> line = dict(file="=me.jpg", face=1, box=[0, 0, 8, 6], landmarks=None, attributes={"Smiling": said})
      >>> header, row = as_csv([line], ["Smiling"]).decode().splitlines()
      >>> header.split(",")[-4:]
      ['logit:Smiling', 'probability:Smiling', 'at_half:Smiling', 'at_threshold:Smiling']
      >>> row
      './=me.jpg,1,0,0,8,6,,,,,,,,,,,0.5,0.6,1,0'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    places = [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
    heads = [head for task, kind in others.items() for head in _heads(task, kind)]
    of_binary = [f"{value}:{task}" for task in tasks for value in VALUES]
    writer.writerow(["file", "face", *SIDES, *places, *of_binary, *heads])
    for line in lines:
        landmarks = np.ravel(line["landmarks"]).tolist() if line["landmarks"] else [None] * len(places)
        said = [line["attributes"][task][value] for task in tasks for value in VALUES]
        numbers = [int(value) if isinstance(value, bool) else value for value in said]
        rest = [cell for task, kind in others.items() for cell in _cells(kind, line["attributes"][task])]
        writer.writerow([_no_formula(line["file"]), line["face"], *line["box"], *landmarks, *numbers, *rest])
    return stream.getvalue().encode(errors="backslashreplace")


def _heads(task: str, kind: Kind) -> list[str]:
    if kind.name == "regression":
        return [f"value:{task}"]
    return [f"class:{task}", *(f"probability:{task}={name}" for name in kind.classes)]


def _cells(kind: Kind, said: dict[str, Any]) -> list[Any]:
    if kind.name == "regression":
        return [said["value"]]
    return [_no_formula(said["class"]), *said["probabilities"].values()]


def _no_formula(file: str) -> str:
    return f"./{file}" if file[:1] in ("=", "+", "-", "@", "\t", "\r") else file
