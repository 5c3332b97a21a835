"""The demo: configs/fast.py on drawn faces.

Command:  make demo
"""

from ml_collections import ConfigDict

from configs.fast import get_config as get_fast_config


def get_config() -> ConfigDict:
    """The fields of configs/fast.py; there are few drawn faces, so they are seen more often."""
    config = get_fast_config()
    config.train.epochs = 6
    return config
