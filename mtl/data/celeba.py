"""CelebA's files, official or Kaggle's, become one table of ids, labels, split and identity."""

import codecs
import os
import struct
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from mtl.errors import UserError, closest_of_many

SPLITS = ("train", "valid", "test")
IMAGES = "img_align_celeba"


class ImageSource(NamedTuple):
    """Where pixels come from: a folder of files, or a zip and the folder inside it."""

    path: Path  # folder or zip file
    prefix: str  # "" for a folder; the folder inside the zip, "img_align_celeba/" usually


class Table(NamedTuple):
    """N images and their K labels."""

    ids: np.ndarray  # [N] str: "000001.jpg"
    source: ImageSource
    labels: np.ndarray  # [N, K] bool: the attribute is present
    mask: np.ndarray  # [N, K] bool: the label is known
    split: np.ndarray  # [N] int8: index into SPLITS
    identity: np.ndarray  # [N] int32: number of the person, -1 where unknown
    attributes: tuple[str, ...]  # [K] names


class _Rows(NamedTuple):
    """The fields of a list file: field f of row n begins at `text[starts[n, f]]` and ends before the next gap."""

    path: Path
    first_line: int  # line number of row 0
    text: np.ndarray  # [bytes] uint8
    is_gap: np.ndarray  # [bytes] bool: no part of a field
    starts: np.ndarray  # [N, F] int64


def read_table(root: Path) -> Table:
    """Reads the list files under `root`, or `root/celeba`, and finds their images.

    Files: `list_attr_celeba` and `list_eval_partition`, and `identity_CelebA` if there is one, each official (.txt)
    or Kaggle's (.csv); images in the folder `img_align_celeba`, in one of that name inside it, or in
    `img_align_celeba.zip`. A label is 1 or -1; it is missing where the text has 0 or the CSV an empty cell. A list that
    has 0 and no -1 is read as 0 for absent, which is said: taken by the letter its text would know of no negative, and
    nothing could be learnt from it.

    Args:
      root: folder of the files.

    Returns:
      All rows and all attributes, in the files' order.

    Raises:
      UserError: if a file or an image is missing, or a file is not what it should be.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: set data.root to the folder that has CelebA's files.")
    folder = next((place for place in (root, root / "celeba") if _find_list(place, "list_attr_celeba")), root)
    ids, labels, mask, attributes = _read_attributes(_require_list(folder, "list_attr_celeba"))
    split = _read_split(_require_list(folder, "list_eval_partition"), ids)
    identities = _find_list(folder, "identity_CelebA")
    identity = _read_identity(identities, ids) if identities else np.full(len(ids), -1, dtype=np.int32)
    return Table(ids, _find_images(folder, ids), labels, mask, split, identity, attributes)


def select_attributes(table: Table, names: Sequence[str] | Literal["all"]) -> Table:
    """The same images with the attributes named, in the order of the names; `"all"` leaves the table as it is.

    Raises:
      UserError: if there is no name, a name occurs twice, or there is no such attribute.
    """
    if names == "all":
        return table
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names:
        raise UserError('data.attributes is empty: name at least one attribute, or set it to "all".')
    _refuse_twice(names, "data.attributes")
    for name in names:
        if name not in table.attributes:
            near = closest_of_many(name, table.attributes)
            raise UserError(f"there is no attribute {name!r}: did you mean {' or '.join(near)}?")
    columns = [table.attributes.index(name) for name in names]
    return table._replace(labels=table.labels[:, columns], mask=table.mask[:, columns], attributes=names)


def take_rows(table: Table, rows: np.ndarray) -> Table:
    """The same attributes of the images in `rows`, [M] int, in the order of `rows`."""
    return table._replace(
        ids=table.ids[rows],
        labels=table.labels[rows],
        mask=table.mask[rows],
        split=table.split[rows],
        identity=table.identity[rows],
    )


def _refuse_twice(names: Sequence[str], where: str) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UserError(f"{where} has {name} {count} times: name it once.")


def _find_list(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.txt", folder / f"{name}.csv") if path.is_file()), None)


def _require_list(folder: Path, name: str) -> Path:
    path = _find_list(folder, name)
    if path is None:
        raise UserError(
            f"neither {name}.txt nor {name}.csv is in {folder} or its sub-folder celeba: "
            "set data.root to the folder that has CelebA's files."
        )
    return path


def _read_attributes(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Reads ids, labels, mask and names, each as `Table` has them."""
    is_csv = path.suffix == ".csv"
    text = _read_text(path)
    if is_csv:
        header, _, body = text.partition(b"\n")
        attributes = tuple(name.strip(' \r"') for name in header.decode(errors="replace").split(",")[1:])
    else:
        count, _, rest = text.partition(b"\n")
        header, _, body = rest.partition(b"\n")
        attributes = tuple(header.decode(errors="replace").split())
    if not attributes:
        raise UserError(f"{path} names no attributes in line {1 if is_csv else 2}: download it again.")
    _refuse_twice(attributes, f"the header of {path}")
    rows = _split_rows(path, body, 2 if is_csv else 3, 1 + len(attributes))
    if not is_csv and count.strip() != b"%d" % len(rows.starts):
        raise UserError(
            f"line 1 of {path} says {count.decode(errors='replace').strip()[:20]!r}, and {len(rows.starts)} images "
            "follow: the file was cut short or changed, so download it again."
        )
    ids = _column(rows, 0)
    if len(set(ids.tolist())) < len(ids):
        raise UserError(f"{path} has {Counter(ids.tolist()).most_common(1)[0][0]} more than once: download it again.")
    labels, mask = _labels(rows)
    return ids, labels, mask, attributes


def _read_split(path: Path, ids: np.ndarray) -> np.ndarray:
    values = _read_second_column(path, ids)
    split = np.full(len(ids), -1, dtype=np.int8)
    for index in range(len(SPLITS)):
        split[values == str(index)] = index
    _refuse_values(path, values, split < 0, "0 (train), 1 (valid) or 2 (test)")
    for index, name in enumerate(SPLITS):
        if not (split == index).any():
            raise UserError(f"{path} has no image of the {name} split ({index}): each split needs some.")
    return split


def _read_identity(path: Path, ids: np.ndarray) -> np.ndarray:
    values = _read_second_column(path, ids)
    is_number = np.strings.isdigit(values) & (np.strings.str_len(values) < 10)
    _refuse_values(path, values, ~is_number, "the number of a person")
    return values.astype(np.int32)


def _read_second_column(path: Path, ids: np.ndarray) -> np.ndarray:
    """Reads a list of (id, value) whose ids must be `ids`; returns the values, [N] str."""
    text = _read_text(path)
    is_csv = path.suffix == ".csv"
    rows = _split_rows(path, text.partition(b"\n")[2] if is_csv else text, 2 if is_csv else 1, 2)
    found = _column(rows, 0)
    if len(found) != len(ids):
        raise UserError(
            f"{path} lists {len(found)} images and the attributes' list {len(ids)}: take both from one place."
        )
    different = np.flatnonzero(found != ids)
    if len(different):
        row = different[0]
        raise UserError(
            f"line {rows.first_line + row} of {path} is about {found[row]}, where the attributes' list has "
            f"{ids[row]}: both must list the same images in the same order."
        )
    return _column(rows, 1)


def _refuse_values(path: Path, values: np.ndarray, is_bad: np.ndarray, expected: str) -> None:
    if is_bad.any():
        row = np.flatnonzero(is_bad)[0]
        line = row + (2 if path.suffix == ".csv" else 1)
        raise UserError(f"line {line} of {path} has {str(values[row])!r}, where {expected} should be.")


def _read_text(path: Path) -> bytes:
    text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if text.lstrip().startswith(b"<"):
        raise UserError(
            f"{path} is a web page, most often the one that says that the download quota is used up: "
            "delete it, and download the real file later or from another mirror."
        )
    return text


def _split_rows(path: Path, body: bytes, first_line: int, num_fields: int) -> _Rows:
    """Finds the fields of all rows at once: by array operations, since 202,599 rows have 8 million fields."""
    is_csv = path.suffix == ".csv"
    if is_csv:
        body = body.translate(None, b' \t\r"')
    text = np.frombuffer(body.rstrip() + b"\n  ", dtype=np.uint8)  # two more bytes, for a look past the last field
    is_newline = text == ord("\n")
    if is_csv:
        is_gap = is_newline | (text == ord(","))
        starts = np.concatenate([[0], np.flatnonzero(is_gap)[:-1] + 1])
    else:
        is_gap = text <= ord(" ")
        starts = np.flatnonzero(~is_gap & np.concatenate([[True], is_gap[:-1]]))
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(is_newline), side="right"), prepend=0)
    wrong = np.flatnonzero(counts != num_fields)
    if len(wrong):
        raise UserError(
            f"line {first_line + wrong[0]} of {path} has {counts[wrong[0]]} fields, where {num_fields} should be: "
            "the file was cut short or changed, so download it again."
        )
    return _Rows(path, first_line, text, is_gap, starts.reshape(-1, num_fields))


def _column(rows: _Rows, field: int) -> np.ndarray:
    """One field of every row: [N] str."""
    starts = rows.starts[:, field]
    is_last = field == rows.starts.shape[1] - 1
    following = np.append(rows.starts[1:, 0], len(rows.text)) if is_last else rows.starts[:, field + 1]
    width = (following - starts).max()
    window = np.minimum(starts[:, None] + np.arange(width), len(rows.text) - 1)  # [N, width] positions
    is_past = np.logical_or.accumulate(rows.is_gap[window], axis=1)
    characters = np.where(is_past, 0, rows.text[window])
    return characters.astype(np.uint32).view(f"U{width}")[:, 0]


def _labels(rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """The labels and their mask, each [N, K] bool, from the fields after the first."""
    first, second = rows.text[:-2], rows.text[1:-1]
    one_long, two_long = rows.is_gap[1:-1], rows.is_gap[2:]  # what a field that starts here is, unless it is empty
    is_csv = rows.path.suffix == ".csv"
    starts = rows.starts[:, 1:]
    present = ((first == ord("1")) & one_long)[starts]
    absent = ((first == ord("-")) & (second == ord("1")) & two_long)[starts]
    zero = ((first == ord("0")) & one_long)[starts]
    missing = rows.is_gap[:-2][starts] if is_csv else zero
    if zero.any() and not absent.any():
        print(f"warning: {rows.path} has 0 and no -1, so 0 is read as absent, not as missing", file=sys.stderr)
        absent, missing = zero, missing & ~zero
    if not (present | absent | missing).all():
        row, column = np.argwhere(~(present | absent | missing))[0]
        raise UserError(
            f"line {rows.first_line + row} of {rows.path} has the label {str(_column(rows, column + 1)[row])!r}, where "
            f"1, -1 or, for a missing one, {'nothing' if is_csv else '0'} should be."
        )
    return present, present | absent


def _find_images(folder: Path, ids: np.ndarray) -> ImageSource:
    """Finds the place that has all images; where none has, the error is about the first place."""
    names = ids.tolist()
    places = [folder / IMAGES / IMAGES, folder / IMAGES, folder / f"{IMAGES}.zip"]
    missing_at: list[tuple[Path, list[str]]] = []
    for place in places:
        if place.is_dir():
            source, present = ImageSource(place, ""), {entry.name for entry in os.scandir(place)}
        elif place.is_file():
            source, present = _list_zip(place, set(names))
        else:
            continue
        missing = [name for name in names if source.prefix + name not in present]
        if not missing:
            return source
        missing_at.append((place, missing))
    if not missing_at:
        raise UserError(f"neither the folder {IMAGES} nor {IMAGES}.zip is in {folder}: put the images there.")
    place, missing = missing_at[0]
    first = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
    raise UserError(f"{place} lacks {len(missing)} of {len(names)} images ({first}): unpack or download them again.")


def _list_zip(path: Path, names: set[str]) -> tuple[ImageSource, set[str]]:
    """The folder inside the zip where an image of `names` is first found, and all files of the zip."""
    try:
        members = _zip_members(path)
    except BadZipFile as error:
        raise UserError(f"{path} is not a whole zip file: download it again.") from error
    first = next((member for member in members if member.rpartition("/")[2] in names), f"{IMAGES}/")
    return ImageSource(path, first[: first.rfind("/") + 1]), set(members)


def _zip_members(path: Path) -> list[str]:
    """Names of all members of a zip, read from its central directory.

    `zipfile` makes an object of every member, a second for CelebA's 202,599; it is left what is not a plain zip: one
    over 4 GiB, or one with something before it.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22 - 65_535))  # the end record, and the longest comment after it
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        size, offset = struct.unpack_from("<2L", tail, end + 12) if 0 <= end <= len(tail) - 22 else (0, 0)
        file.seek(offset)
        directory = file.read(size)
    names, at = [], 0
    while directory[at : at + 4] == b"PK\x01\x02" and at + 46 <= size:
        name_length, extra_length, comment_length = struct.unpack_from("<3H", directory, at + 28)
        names.append(directory[at + 46 : at + 46 + name_length].decode("utf-8", "replace"))
        at += 46 + name_length + extra_length + comment_length
    if names and at == size:
        return names
    with ZipFile(path) as archive:
        return archive.namelist()
