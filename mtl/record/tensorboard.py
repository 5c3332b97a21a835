"""A run's logs as TensorBoard shows them: an event file beside metrics.jsonl, which holds nothing that they do not.

The event file is made anew from the logs whenever a run goes on, after the logs were cut to where it was. So it is
exact however often a run was killed, and a run that was trained without it gets it later. The times of lines that were
there before are kept, so the bytes are too, and a TensorBoard that has the file open reads on.
"""

import time
from collections.abc import Iterable
from io import BytesIO
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

from mtl.errors import not_installed
from mtl.record import files
from mtl.record.atomic import writing
from mtl.record.files import Line
from mtl.record.paths import EVENTS, METRICS
from mtl.record.reading import read_dst, read_metrics

MEASURES = ("accuracy", "balanced_accuracy", "score", "mae")  # of a task, on the validation split
NORMS = ("gradient", "parameter", "update")  # of the trunk

Groups = dict[str, dict[str, float | None]]  # first part of a tag -> second part -> value


def scalars(line: Line) -> dict[str, float]:
    """What a line of metrics.jsonl or dst.jsonl holds for TensorBoard: tag -> value.

    Tags with the same first part stand together, as a rule one per task. What was not measured has no tag.

    Example:
      >>> scalars({"epoch": 1, "V": {"Male": 0.7}, "P": {"Male": 0.75}, "G": {"Male": True}})
      {'measured_loss/Male': 0.7, 'activation_probability/Male': 0.75, 'drop_rate/Male': 0.25, 'gate/Male': 1.0}
    """
    groups = {"step": _of_step, "epoch": _of_epoch, "dst": _of_dst}[line.get("kind", "dst")](line)
    return {
        f"{group}/{name}": float(value)
        for group, of_group in groups.items()
        for name, value in of_group.items()
        if value is not None
    }


def _of_step(line: Line) -> Groups:
    return {
        "loss": line["losses"],
        "weight": line.get("weights", {}),  # older logs have none
        "norm": {name: line[f"{name}_norm"] for name in NORMS},
        "optimizer": {"learning_rate": line["learning_rate"]},
    }


def _of_epoch(line: Line) -> Groups:
    valid = line["valid"]
    of_tasks = {
        f"valid_{name}": {task: of[name] for task, of in valid["tasks"].items() if name in of} for name in MEASURES
    }
    return {
        "epoch_loss": line["losses"],
        "valid": {name: score for name, score in valid.items() if name != "tasks"},
        **of_tasks,
        "conflicting": line.get("conflicting", {}),  # older logs have none
    }


def _of_dst(line: Line) -> Groups:
    return {
        "measured_loss": line["V"],
        "activation_probability": line["P"],
        "drop_rate": {task: 1.0 - probability for task, probability in line["P"].items()},
        "gate": line["G"],
    }


def check_installed() -> None:
    """Refuses to promise event files where they cannot be written.

    Raises:
      UserError: if TensorBoard is not installed.
    """
    _package()


def append(folder: Path, line: Line, num_steps: int) -> None:
    """Adds a line of a log to its run's event file.

    Args:
      folder: of the run.
      line: see `scalars`.
      num_steps: of all epochs before the line's; a line of dst.jsonl stands there.
    """
    with writing(folder / EVENTS), (folder / EVENTS).open("ab") as file:
        file.write(_records([_event(line, num_steps, time.time())]))


def rewrite(folder: Path) -> None:
    """Makes a run's event file from its logs; where there is one, its lines keep their times."""
    steps, epochs = read_metrics(folder) if (folder / METRICS).is_file() else ([], [])
    num_steps = {0: 0} | {line["epoch"]: line["step"] for line in epochs}
    # As they were appended: those of an epoch's steps before its own.
    lines = sorted([*read_dst(folder), *steps, *epochs], key=lambda line: line["epoch"])
    times = chain(_read_times(folder / EVENTS), repeat(time.time()))
    first = _package().Event(wall_time=next(times), file_version="brain.Event:2")
    events = [_event(line, num_steps[line["epoch"] - 1], at) for line, at in zip(lines, times, strict=False)]
    with writing(folder / EVENTS):  # in place: a renamed file would be another to a reader
        (folder / EVENTS).write_bytes(_records([first, *events]))


def write_images(folder: Path, images: dict[str, bytes]) -> None:
    """Writes an event file of images: tag -> PNG. One that is there is replaced."""
    package, now = _package(), time.time()
    values = [
        package.Summary.Value(tag=name, image=package.Summary.Image(encoded_image_string=png, **_size(png)))
        for name, png in images.items()
    ]
    first = package.Event(wall_time=now, file_version="brain.Event:2")
    content = _records([first, package.Event(wall_time=now, summary=package.Summary(value=values))])
    files.write_bytes(folder / EVENTS, content)


class Package(NamedTuple):
    """What event files are made with."""

    Event: Any
    Summary: Any
    RecordWriter: Any
    Loader: Any


def _package() -> Package:
    try:
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise not_installed("event files are written", "TensorBoard", "tensorboard") from error
    return Package(Event, Summary, RecordWriter, LegacyEventFileLoader)


def _event(line: Line, num_steps: int, wall_time: float) -> Any:
    package = _package()
    values = [package.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(line).items()]
    step = line.get("step", num_steps)
    return package.Event(wall_time=wall_time, step=step, summary=package.Summary(value=values))


def _records(events: Iterable[Any]) -> bytes:
    buffer = BytesIO()
    writer = _package().RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString())
    return buffer.getvalue()


def _read_times(path: Path) -> list[float]:
    """Those of the events that can be read: a process that is killed may leave half of one."""
    return [event.wall_time for event in _package().Loader(str(path)).Load()] if path.is_file() else []


def _size(png: bytes) -> dict[str, int]:
    """As the file's first chunk has it: two numbers of four bytes, big end first."""
    return {"width": int.from_bytes(png[16:20], "big"), "height": int.from_bytes(png[20:24], "big")}
