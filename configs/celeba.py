"""Real CelebA: 8 attributes, joint training, DST and random dropping.

Command:  python launch.py --config=configs/celeba.py --config.data.root=DIR --workdir=OUT
"""

from ml_collections import ConfigDict

from configs.default import get_config as get_default_config


def get_config() -> ConfigDict:
    """The demo's fields, with what real images want."""
    config = get_default_config()
    config.data.name = "celeba"
    config.data.root = ""  # give it on the command line
    config.data.image_size = 64  # as the published comparisons have it
    config.data.crop = "full"  # likewise
    config.data.max_shift = 4
    config.train.epochs = 8
    return config
