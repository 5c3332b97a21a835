"""What a network says of photos, into three files: a table, JSON lines, and a page to look at."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch

from mtl.errors import UserError
from mtl.photos.crops import Photo, crop_faces
from mtl.photos.reading import find_photos
from mtl.predict.answers import make_ask
from mtl.predict.page import printable, show_page, show_photo, show_skipped
from mtl.predict.seeing import see
from mtl.predict.tables import Line, as_csv, as_json_lines, face_lines
from mtl.progress import progress
from mtl.record.files import write_atomically
from mtl.record.locks import hold
from mtl.trained.folder import load_model

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
    settings = loaded.settings
    photos = crop_faces(files, settings.image_size, settings.crop, align)
    lines: list[Line] = []
    shown, skipped, problems = [], [], []
    with hold(workdir):
        with progress("photos", len(files)) as update:
            for photo in see(_counted(photos, update), make_ask(loaded, saliency)):
                if photo.problem is None:
                    lines += face_lines(photo, settings.tasks)
                    shown.append(show_photo(photo, settings))
                else:
                    skipped.append(show_skipped(photo))
                    problems.append(printable(photo.problem))
        title = f"{_count(len(lines), 'face')} in {_count(len(files), 'photo')}"
        page = show_page(title, str(model), settings, shown, skipped, saliency)
        for name, data in (
            (TABLE, as_csv(lines, settings.tasks)),
            (LINES, as_json_lines(lines)),
            (PAGE, page.encode()),
        ):
            write_atomically(workdir / name, lambda file, data=data: file.write(data))
    said = f"{title}: wrote {workdir}/{PAGE}, {TABLE} and {LINES}."
    if problems:
        said += "".join(
            [f" {_count(len(problems), 'photo')} without an answer:", *(f"\n  {each}" for each in problems)]
        )
    return said


def _counted(photos: Iterable[Photo], update: Callable[..., None]) -> Iterator[Photo]:
    """The photos, which the bar counts as they are read: answers come in bursts."""
    num_faces = 0
    for number, photo in enumerate(photos, 1):
        num_faces += len(photo.faces)
        update(number, _count(num_faces, "face"))
        yield photo


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
