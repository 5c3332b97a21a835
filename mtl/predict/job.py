"""What a network says of photos, into three files: a table, JSON lines, and a page to look at."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from mtl.errors import UserError, printable
from mtl.photos.crops import Photo, crop_faces
from mtl.photos.reading import find_photos
from mtl.predict.answers import binary_tasks, make_ask, other_tasks
from mtl.predict.page import show_page, show_photo, show_skipped
from mtl.predict.seeing import SeenPhoto, see
from mtl.predict.tables import Line, as_csv, as_json_lines, face_lines
from mtl.progress import progress
from mtl.record.files import write_bytes
from mtl.record.locks import hold
from mtl.trained.facts import shows_faces
from mtl.trained.folder import load_model
from mtl.trained.settings import Settings

PAGE, TABLE, LINES = "predictions.html", "predictions.csv", "predictions.jsonl"


def split_places(text: str) -> list[str]:
    """Files, folders and patterns, with commas between them; a path that there is may have commas itself.

    Example:
      >>> split_places("holiday/*.jpg, me.png")
      ['holiday/*.jpg', 'me.png']
    """
    if Path(text).expanduser().exists():
        return [text]
    return [place for part in text.split(",") if (place := part.strip())]


def predict(model: Path, places: Sequence[str], align: str, saliency: bool, workdir: Path, device: torch.device) -> str:
    """Writes the files, in place of those of before; returns what to say of them.

    Photos that cannot be read, and those without a face, are named there and in the page. All may be such: the files
    then hold no face, which is what there is to say of these photos, and no error.

    Args:
      model: a model folder.
      places: of photos, see `find_photos`.
      align: "on" or "off", see `crop_faces`.
      saliency: the page also shows which pixels each attribute's answer hangs on.
      workdir: made if it is not there.
      device: where the network computes; faces are found on the CPU.

    Raises:
      UserError: there is no photo, the model folder is damaged, the package that finds faces is not installed, or
        another process is at work in `workdir`. Nothing is written then.
    """
    files = find_photos(places)
    if not files:
        raise UserError("no photo is named: give files, folders or patterns")
    loaded = load_model(model, device)
    settings, ask = loaded.settings, make_ask(loaded, saliency)
    of_faces = shows_faces(settings.trained.get("data"))
    if align == "on" and not of_faces:
        raise UserError(f"{model} was not trained on aligned faces: give align=off, which takes photos as they are")
    photos = crop_faces(files, settings.image_size, settings.crop, align)
    with hold(workdir):
        with progress("photos", len(files)) as update:
            found = _collect(see(_counted(photos, update), ask), settings)
        what = "face" if of_faces else "answer"
        title = f"{_count(len(found.lines), what)} {'in' if of_faces else 'on'} {_count(len(files), 'photo')}"
        page = show_page(title, str(model), settings, found.shown, found.skipped, saliency)
        write_bytes(workdir / TABLE, as_csv(found.lines, binary_tasks(settings), other_tasks(settings)))
        write_bytes(workdir / LINES, as_json_lines(found.lines))
        write_bytes(workdir / PAGE, page.encode())
    without = f" {_count(len(found.problems), 'photo')} without an answer:" if found.problems else ""
    said = f"{title}: wrote {workdir}/{PAGE}, {TABLE} and {LINES}.{without}"
    return "\n  ".join([said, *found.problems])


class _Found(NamedTuple):
    """What the files are made of: lines, markup of photos, markup of those without an answer, sentences on these."""

    lines: list[Line]
    shown: list[str]
    skipped: list[str]
    problems: list[str]


def _collect(photos: Iterable[SeenPhoto], settings: Settings) -> _Found:
    found = _Found([], [], [], [])
    for photo in photos:
        if photo.problem is None:
            found.lines.extend(face_lines(photo, binary_tasks(settings), other_tasks(settings)))
            found.shown.append(show_photo(photo, settings))
        else:
            found.skipped.append(show_skipped(photo))
            found.problems.append(printable(photo.problem))
    return found


def _counted(photos: Iterable[Photo], update: Callable[..., None]) -> Iterator[Photo]:
    """The photos, which the bar counts as they are read: answers come in bursts."""
    num_faces = 0
    for number, photo in enumerate(photos, 1):
        num_faces += len(photo.faces)
        update(number, _count(num_faces, "face"))
        yield photo


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
