"""torch.export's own file: the graph with its numbers, which torch runs or compiles without this package."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mtl.export.graph import trace
from mtl.export.metadata import metadata
from mtl.record.files import write_bytes
from mtl.trained.folder import Loaded

METADATA = "metadata.json"


def write(loaded: Loaded, path: Path) -> None:
    """Writes the graph, and the metadata as a further file in the archive."""
    archive = io.BytesIO()
    torch.export.save(trace(loaded), archive, extra_files={METADATA: json.dumps(metadata(loaded.settings), indent=2)})
    write_bytes(path, archive.getvalue())


def run(path: Path) -> Callable[[Tensor], Tensor]:
    """Images to probabilities, by torch's operations, one after the other as the graph has them."""
    return torch.export.load(path).module()
