"""`config.bench` becomes typed values, checked, before anything is measured."""

from pathlib import Path

from ml_collections import ConfigDict

from mtl.bench.settings import PARTS, BenchSettings
from mtl.config.check import check_values
from mtl.config.fields import split_names
from mtl.config.read import read_data, read_run
from mtl.errors import UserError, check_choice
from mtl.training.networks import find_device

ATTRIBUTES = ("faces", "celeba")  # what has binary attributes in CelebA's files, which hand-written loops read
# Which images there are; how they are prepared is the recipe's own.
OF_IMAGES = ("name", "root", "attributes", "num_faces", "faces_seed", "label_noise", "label_fractions")


def read_bench(config: ConfigDict, recipe: ConfigDict) -> BenchSettings:
    """Reads and checks what is measured.

    Args:
      config: of the job.
      recipe: of what part d trains, on the images of `config`.

    Raises:
      UserError: for a part or a form that there is not, and whatever data, device and recipe are refused for.
    """
    check_values(config)
    parts = tuple(dict.fromkeys(split_names(config.bench.parts)))
    for part in parts:
        check_choice("parts", part, PARTS)
    if not parts:
        raise UserError(f"parts is empty; name some of {', '.join(PARTS)}", "parts")
    if config.data.name not in ATTRIBUTES or config.data.tasks:
        raise UserError("bench trains binary attributes: set name to faces or celeba, and leave tasks empty", "name")
    recipe.data.update({field: config.data[field] for field in OF_IMAGES})
    recipe.train.device = config.train.device
    return BenchSettings(
        parts=parts,
        form=config.bench.form,
        folder=Path(config.bench.folder).expanduser(),
        data=read_data(config),
        device=find_device(config.train.device),
        recipe=read_run(recipe),
    )
