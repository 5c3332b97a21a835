"""torch.export's own file: the graph with its numbers, which torch runs or compiles without this package."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mtl.export.graph import trace
from mtl.export.metadata import metadata
from mtl.trained.folder import Loaded

METADATA = "metadata.json"


def write(loaded: Loaded, path: Path) -> None:
    """Writes the graph, and the metadata as a further file in the archive."""
    torch.export.save(trace(loaded), path, extra_files={METADATA: json.dumps(metadata(loaded.settings), indent=2)})


def run(path: Path) -> Callable[[Tensor], Tensor]:
    """Images to probabilities, by torch's operations, one after the other as the graph has them."""
    return torch.export.load(path).module()
