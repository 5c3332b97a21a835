"""What is written beside a network: all that is needed to use it, and what it was written with."""

import json
from collections.abc import Sequence
from importlib.metadata import version

from mtl.kinds import all_binary
from mtl.trained.saying import output_names
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
    output = "probabilities: float32 [batch, tasks], calibrated, in the order of tasks"
    others = {}
    if not all_binary(settings.kinds):
        output = "probabilities: float32 [batch, outputs], calibrated, and numbers in the table's unit; see outputs"
        others["outputs"] = json.dumps(output_names(settings.tasks, settings.kinds))
    return {
        "input": f"images: uint8 [batch, 3, {size}, {size}], red, green, blue, 0 to 255; not normalised",
        "output": output,
        **others,
        "image_size": str(size),
        "crop": settings.crop,
        "precision": "float32",
        "tasks": json.dumps(settings.tasks),
        "thresholds": json.dumps(settings.thresholds),
        "versions": json.dumps(written_with),
        "config": json.dumps(as_json(settings)),
    }
