"""The second demo: drawn faces with a task of each kind, and fewer labels of some than of others.

A smile is binary, the colour of the hair one of five classes, and how far the head turns a number, in degrees. The
training images have half of the labels of the hair and a quarter of those of the turn, and the smile leaves the trunk a
stage earlier, so that tasks differ in count and in depth: the two metrics of DST that say the same of all tasks in
`make demo`.

Command:  make demo-table
"""

from ml_collections import ConfigDict

from configs.demo import get_config as get_demo_config


def get_config() -> ConfigDict:
    """The fields of configs/demo.py, with three tasks of three kinds."""
    config = get_demo_config()
    config.study.methods = ("joint", "dst")
    config.data.name = "drawn"
    config.data.flip = config.train.mirrored = False  # in a mirror, a head turns the other way
    config.data.label_fractions = ("hair=0.5", "turn=0.25")
    config.model.taps = ("smiling=layer3",)
    return config
