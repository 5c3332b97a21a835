"""Checkpoints: written atomically, the newest valid one is read back.

A checkpoint is a plain dictionary of tensors, named by their place in the tree, one of JSON-able values, the number of
its format, and a digest, by which a byte that was changed is noticed. It is written to a temporary file, synced and
renamed, so a run that is killed leaves the old one or the new one, never half.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_unflatten

from mtl.errors import UserError
from mtl.record import files
from mtl.record.atomic import TEMPORARY
from mtl.trained.digest import digest

Tree = TypeVar("Tree")
FORMAT = 1  # goes up when what is saved, or what it means, changes; before there were formats, files had no number
KEPT = 2  # the newest, and one to fall back on


class Damaged(UserError):
    """A checkpoint that cannot be read, and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is damaged ({reason}): put a whole copy in its place, or delete the folder of its run and train "
            "that again"
        )
        self.reason = reason


class Checkpoint(NamedTuple):
    """A tree of tensors, and the progress beside it."""

    tree: Any
    progress: dict[str, Any]


def save(folder: Path, step: int, tree: Any, progress: dict[str, Any]) -> None:
    """Writes `folder/step_<step>.pt` and removes all but the newest `KEPT`."""
    save_file(folder / f"step_{step:09d}.pt", tree, progress)
    keep_newest(folder, KEPT)


def keep_newest(folder: Path, kept: int) -> None:
    """Removes all checkpoints but the newest `kept`, and what a killed process had begun to write."""
    for old in (*_files(folder)[kept:], *folder.glob(f"*{TEMPORARY}")):
        old.unlink()


def load_newest(folder: Path, template: Tree) -> Checkpoint | None:
    """Reads the newest checkpoint that is whole; says so when it had to pass over one. None if there is none.

    Args:
      folder: where `save` wrote.
      template: a tree of the same structure, on the device that the tensors shall go to.

    Raises:
      UserError: as `load_file`: a checkpoint that is whole, but another, is not passed over.
    """
    for path in _files(folder):
        try:
            return load_file(path, template)
        except Damaged as error:
            print(f"warning: {path} cannot be read ({error.reason}); trying the one before", file=sys.stderr)
    return None


def save_file(path: Path, tree: Any, progress: dict[str, Any]) -> None:
    """Writes one checkpoint atomically."""
    tensors = {keystr(place): tensor for place, tensor in tree_flatten_with_path(tree)[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(progress)
    content = {"format": FORMAT, "tensors": tensors, "progress": text, "digest": digest(tensors, text)}
    files.write_atomically(path, lambda file: torch.save(content, file))


def load_file(path: Path, template: Tree) -> Checkpoint:
    """Reads one checkpoint into the structure, and onto the device, of `template`.

    Raises:
      Damaged: if it is missing, cannot be read, or is not what was written.
      UserError: if another version of mtl wrote it, or it holds other tensors than the template.
    """
    content = _read(path)
    places, spec = tree_flatten_with_path(template)
    names = [keystr(place) for place, _ in places]
    if other := sorted({*names} ^ content["tensors"].keys()):
        raise UserError(
            f"{path} holds other tensors than are asked for (the first is {other[0]}): "
            f"read it with the network, optimizer and method that it was written with, {_or_again(path)}"
        )
    leaves = [content["tensors"][name].to(like.device) for name, (_, like) in zip(names, places, strict=True)]
    return Checkpoint(tree_unflatten(leaves, spec), json.loads(content["progress"]))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, named by their place in its tree.

    Raises:
      Damaged: if it is missing, cannot be read, or is not what was written.
      UserError: if another version of mtl wrote it.
    """
    return _read(path)["tensors"]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Damaged(path, error.strerror or str(error)) from error
    except Exception as error:  # a damaged file raises whatever its damage meets first
        raise Damaged(path, type(error).__name__) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UserError(
            f"{path} was written by another version of mtl (its format is {found}, this one's {FORMAT}): "
            f"go on with that version, {_or_again(path)}"
        )
    if "digest" in content and digest(content["tensors"], content["progress"]) != content["digest"]:
        raise Damaged(path, "its numbers are not those that were written")
    return content


def _or_again(path: Path) -> str:
    return f"or remove the checkpoints in {path.parent} and train from the start"


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.pt"), reverse=True)
