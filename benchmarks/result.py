"""Where a benchmark's result goes, and what is written beside it."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mtl.record.files import write_json
from mtl.training import provenance


def write_result(
    name: str, result: dict[str, Any], device: torch.device, folder: str = "", peers: Sequence[str] = ()
) -> None:
    """Writes <folder>/<name>_<device>.json: the result, with device, versions, command and source revision.

    Args:
      folder: "" for artifacts/benchmarks.
      peers: packages that were measured beside ours, whose versions count too.
    """
    made_by = {
        "device": provenance.device_name(device),
        "versions": provenance.versions() | {peer: version(peer) for peer in peers},
        "command": provenance.command(),
        "revision": provenance.revision(),
    }
    where = Path(folder or Path(__file__).parent.parent / "artifacts" / "benchmarks")
    where.mkdir(parents=True, exist_ok=True)
    write_json(where / f"{name}_{device.type}.json", result | made_by)
