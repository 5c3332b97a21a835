"""--job=export: writes a network's file, reads it back, compares, and leaves it only if both say the same."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.errors import UserError
from mtl.export import FILES, as_onnx, as_pt2, as_safetensors
from mtl.export.agreement import NUM_IMAGES, draw_images, greatest_difference
from mtl.export.graph import in_float32
from mtl.kinds import all_binary, num_outputs
from mtl.record.atomic import to_disk, writing
from mtl.record.locks import wait_for
from mtl.record.paths import TENSORS
from mtl.trained.folder import Loaded, load_model
from mtl.trained.module import to_module


class Format(NamedTuple):
    """A kind of file.

    Attributes:
      write: (network, path) -> None.
      run: (path, network) -> what the file makes of images.
      tolerance: of probabilities, against the network's.
      check_installed: raises a UserError if something is missing.
    """

    write: Callable[[Loaded, Path], None]
    run: Callable[[Path, Loaded], Callable[[Tensor], Tensor]]
    tolerance: float = 1e-4
    check_installed: Callable[[], None] = lambda: None


FORMATS = {
    "onnx": Format(as_onnx.write, lambda path, _: as_onnx.run(path), check_installed=as_onnx.check_installed),
    "pt2": Format(as_pt2.write, lambda path, _: as_pt2.run(path)),
    "safetensors": Format(as_safetensors.write, as_safetensors.run, tolerance=1e-2),  # half precision
}


def export(folder: Path, kind: str, path: Path | None = None) -> str:
    """Writes the network of a model folder; returns a sentence that says where it is.

    Args:
      folder: that a finished run left.
      kind: a key of `FORMATS`.
      path: of the file, which ends in the format's name; None: in the folder.

    Raises:
      UserError: if something is missing or damaged, or the file does not say what the network says; then none is left.
    """
    chosen, path = FORMATS[kind], path or folder / FILES[kind]
    if path.suffix != f".{kind}":
        raise UserError(f"the file is {path.name}, whose name does not end in .{kind}")
    if path.resolve() == (folder / TENSORS).resolve():
        raise UserError(f"{path} is what the network is read from: choose another name")
    chosen.check_installed()
    loaded = load_model(folder)
    with writing(path), wait_for(path.with_name(f"{path.name}.lock")):
        apart = path.with_name(f".export_{path.name}")
        shutil.rmtree(apart, ignore_errors=True)  # what a killed process left
        try:
            apart.mkdir()
            unchecked = apart / path.name
            chosen.write(loaded, unchecked)
            as_written = in_float32(loaded)
            difference = compare(as_written, chosen.run(unchecked, as_written), chosen.tolerance)
            size = unchecked.stat().st_size
            unchecked.replace(path)
            to_disk(path.parent)
        finally:
            shutil.rmtree(apart, ignore_errors=True)
    precision = loaded.settings.precision
    how = "" if precision == "float32" else f" in float32, though it was trained in {precision}"
    return (
        f"Wrote {path} ({size / 1e6:.1f} MB): on {NUM_IMAGES} images its {_of_what(loaded)} "
        f"are those of the network{how}, to within {difference:.0e}."
    )


def _of_what(loaded: Loaded) -> str:
    kinds = loaded.settings.kinds
    return f"{len(kinds)} probabilities" if all_binary(kinds) else f"{sum(map(num_outputs, kinds))} outputs"


def compare(loaded: Loaded, run: Callable[[Tensor], Tensor], tolerance: float) -> float:
    """How far what a file gives is from what the network gives.

    Raises:
      UserError: if that is further than the tolerance.
    """
    units_O = torch.tensor([kind.std for kind in loaded.settings.kinds for _ in range(num_outputs(kind))])
    network = to_module(loaded)
    with torch.no_grad():  # numbers are compared in standard deviations
        one, other = (lambda images_BCHW, say=say: say(images_BCHW) / units_O for say in (network, run))
        difference = greatest_difference(one, other, draw_images(loaded.settings.image_size))
    if not difference <= tolerance:
        raise UserError(
            f"the file gives probabilities that differ from the network's by up to {difference:.0e}, more than "
            f"{tolerance:.0e}, so it was not kept: choose another format, and report this with its config.json"
        )
    return difference
