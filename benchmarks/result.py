"""Where a benchmark's result goes, and what is written beside it."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from absl import flags

from mtl.record.files import write_json
from mtl.training import provenance

FOLDER = flags.DEFINE_string("folder", "", "where the result is written, if not to artifacts/benchmarks")


def write_result(name: str, result: dict[str, Any], device: torch.device, peers: Sequence[str] = ()) -> None:
    """Writes <--folder>/<name>.json: the result, with device, versions, command and source revision.

    Args:
      peers: packages that were measured beside ours, whose versions count too.
    """
    made_by = {
        "device": provenance.device_name(device),
        "versions": provenance.versions() | {peer: version(peer) for peer in peers},
        "command": provenance.command(),
        "revision": provenance.revision(),
    }
    where = Path(FOLDER.value or Path(__file__).parent.parent / "artifacts" / "benchmarks")
    where.mkdir(parents=True, exist_ok=True)
    write_json(where / f"{name}.json", result | made_by)
