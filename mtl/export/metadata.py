"""What is written beside a network: all that is needed to use it, and what it was written with."""

import json
from collections.abc import Sequence
from importlib.metadata import version

from mtl.trained.settings import Settings, as_json
from mtl.training.provenance import versions


def metadata(settings: Settings, packages: Sequence[str] = ()) -> dict[str, str]:
    """Name -> text; lists and objects are JSON.

    Args:
      settings: of the network, as it was trained.
      packages: that wrote the file, beside torch.
    """
    size = settings.image_size
    written_with = versions() | {package: version(package) for package in ("mtl", *packages)}
    return {
        "input": f"images: uint8 [batch, 3, {size}, {size}], red, green, blue, 0 to 255; not normalised",
        "output": "probabilities: float32 [batch, tasks], calibrated, in the order of tasks",
        "image_size": str(size),
        "crop": settings.crop,
        "precision": "float32",
        "tasks": json.dumps(settings.tasks),
        "thresholds": json.dumps(settings.thresholds),
        "versions": json.dumps(written_with),
        "config": json.dumps(as_json(settings)),
    }
