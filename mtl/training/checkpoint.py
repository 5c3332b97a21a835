"""Checkpoints: written atomically, the newest valid one is read back.

A checkpoint is a plain dictionary of tensors, named by their place in the tree, and one of JSON-able values. It is
written to a temporary file, synced and renamed, so a run that is killed leaves the old one or the new one, never half.
"""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_unflatten

from mtl import locks

Tree = TypeVar("Tree")
KEPT = 2  # the newest, and one to fall back on


class Checkpoint(NamedTuple):
    """A tree of tensors, and the progress beside it."""

    tree: Any
    progress: dict[str, Any]


def save(folder: Path, step: int, tree: Any, progress: dict[str, Any]) -> None:
    """Writes `folder/step_<step>.pt` and removes all but the newest `KEPT`."""
    save_file(folder / f"step_{step:09d}.pt", tree, progress)
    keep_newest(folder, KEPT)


def keep_newest(folder: Path, kept: int) -> None:
    """Removes all checkpoints but the newest `kept`."""
    for old in _files(folder)[kept:]:
        old.unlink()


def load_newest(folder: Path, template: Tree) -> Checkpoint | None:
    """Reads the newest checkpoint that is whole; says so when it had to pass over one. None if there is none.

    Args:
      folder: where `save` wrote.
      template: a tree of the same structure, on the device that the tensors shall go to.
    """
    for path in _files(folder):
        try:
            return load_file(path, template)
        except Exception as error:  # a damaged file raises whatever its damage meets first
            print(f"warning: {path} cannot be read ({type(error).__name__}); trying the one before", file=sys.stderr)
    return None


def save_file(path: Path, tree: Any, progress: dict[str, Any]) -> None:
    """Writes one checkpoint atomically."""
    tensors = {keystr(place): tensor for place, tensor in tree_flatten_with_path(tree)[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: torch.save({"tensors": tensors, "progress": json.dumps(progress)}, file))


def load_file(path: Path, template: Tree) -> Checkpoint:
    """Reads one checkpoint into the structure, and onto the device, of `template`."""
    places, spec = tree_flatten_with_path(template)
    content = torch.load(path, map_location="cpu", weights_only=True)
    leaves = [content["tensors"][keystr(place)].to(like.device) for place, like in places]
    assert len(leaves) == len(content["tensors"]), f"{path} holds other tensors than this run has"
    return Checkpoint(tree_unflatten(leaves, spec), json.loads(content["progress"]))


def write_atomically(path: Path, write: Callable[[Any], object]) -> None:
    """Lets `write` fill a temporary file, syncs it and renames it to `path`.

    Of two processes that write the same file, a study and a report, say, the second waits for the first.
    """
    unfinished = path.with_name(path.name + ".tmp")
    with locks.temporary(unfinished) as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        unfinished.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, indented for people; NaN is refused, since it is not JSON."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a compressed .npz atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.pt"), reverse=True)
