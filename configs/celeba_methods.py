"""Every balancing method on real CelebA, one seed, a small budget: is any of them dead, does any diverge?

Command:  python launch.py --config=configs/celeba_methods.py --config.data.root=DIR --workdir=OUT
Time:     TODO
Result:   TODO
"""

from ml_collections import ConfigDict

from configs.celeba_study import get_config as get_study_config
from mtl.methods import METHODS


def get_config() -> ConfigDict:
    """The fields of configs/celeba_study.py, for 3 epochs."""
    config = get_study_config()
    config.train.epochs = 3
    config.study.methods = ("joint", *METHODS, "dst", "random_drop")
    config.study.seeds = (0,)
    return config
