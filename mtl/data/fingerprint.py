"""A few digests of the data that a run is trained on, so that what goes on or is compared meets the same data."""

import hashlib
from typing import Any, NamedTuple

import numpy as np

from mtl.data.pack import Pack
from mtl.data.table import SPLITS
from mtl.kinds import all_binary


class Part(NamedTuple):
    """A part of the data that has a digest of its own."""

    words: str
    fields: tuple[str, ...]  # of config.data: where these are the same, the part must be the same


IMAGES = ("name", "root", "table", "image_column", "num_faces", "faces_seed", "label_noise", "on_bad_image")
# A split that is drawn is stratified over the tasks.
SPLIT = (*IMAGES, "fold", "tasks", "split_column", "group_column", "split_seed")
PARTS = {
    "ids": Part("the images", IMAGES),
    "split": Part("which images belong to which split", SPLIT),
    "labels_train": Part("the labels of the training split", (*SPLIT, "attributes", "label_fractions")),
    "labels_valid": Part("the labels of the validation split", (*SPLIT, "attributes")),
    "labels_test": Part("the labels of the test split", (*SPLIT, "attributes")),
    "pixels": Part("the pixels", (*IMAGES, "image_size", "crop")),
}
Fingerprint = dict[str, Any]


def fingerprint(pack: Pack) -> Fingerprint:
    """The digest of each of `PARTS`, 16 hexadecimal digits of SHA-256, and the number of images of each split.

    Labels are those of the chosen attributes, with their names and with what is known of them: a label that is hidden
    counts as unknown. The pixels' digest is the pack's, which was taken when it was made.

    Example:
      >>> from mtl.data.image_files import ImageSource
      >>> from mtl.kinds import BINARY
      >>> from mtl.data.table import Table
      >>> known, nobody, split = np.ones((3, 1), bool), np.full(3, -1), np.zeros(3, np.int8)
      >>> names, kinds = ("Male",), (BINARY,)
      >>> table = Table(np.arange(3).astype(str), ImageSource(None, ""), known, known, split, nobody, names, kinds)
      >>> fingerprint(Pack(np.zeros((3, 3, 1, 1), np.uint8), table, (), digest="0123456789abcdef"))["num_images"]
      {'train': 3, 'valid': 0, 'test': 0}
    """
    table = pack.table
    rows = {split: table.split == index for index, split in enumerate(SPLITS)}
    names = "\n".join(table.attributes).encode()
    if not all_binary(table.kinds):
        names += repr(table.kinds).encode()  # what a label's number says
    known = np.where(table.mask, table.labels, np.zeros((), table.labels.dtype))
    labels = {
        f"labels_{split}": _digest(names, known[chosen].tobytes(), table.mask[chosen].tobytes())
        for split, chosen in rows.items()
    }
    return {
        "num_images": {split: int(chosen.sum()) for split, chosen in rows.items()},
        "ids": _digest("\n".join(table.ids.tolist()).encode()),
        "split": _digest(table.split.tobytes()),
        **labels,
        "pixels": pack.digest,
    }


def differences(before: Fingerprint, now: Fingerprint, changed_fields: set[str]) -> list[str]:
    """Says which parts differ, and how many images there were where these differ.

    Args:
      before, now: of two runs.
      changed_fields: of config.data, those in which the two runs' configurations differ; a part that follows from one
        of them may differ.

    Example:
      >>> digests = dict.fromkeys(PARTS, "0") | {"num_images": {"train": 8, "valid": 1, "test": 1}}
      >>> differences(digests, digests | {"pixels": "1"}, set())
      ['the pixels']
      >>> differences(digests, digests | {"pixels": "1"}, {"crop"})  # of course
      []
    """
    parts = [name for name, part in PARTS.items() if not changed_fields & {*part.fields} and before[name] != now[name]]
    if "ids" in parts:
        parts = ["ids"]  # all others follow
    elif "split" in parts:
        parts = [name for name in parts if not name.startswith("labels")]  # they are digested split by split
    numbers = f" ({_numbers(before)} then, {_numbers(now)} now)"
    return [PARTS[name].words + (numbers if name in ("ids", "split") else "") for name in parts]


def _numbers(found: Fingerprint) -> str:
    return " + ".join(str(number) for number in found["num_images"].values())


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())  # so that no byte moves from one part to the next
    return digest.hexdigest()[:16]
