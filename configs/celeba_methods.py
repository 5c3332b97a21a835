"""Every balancing method on real CelebA, one seed, a small budget: is any of them dead, does any diverge?

Command:  python launch.py --config=configs/celeba_methods.py --config.data.root=DIR --workdir=OUT
Time:     75 to 95 seconds for a run on one core of an AMD EPYC, 9 to 10 minutes for the three that keep gradients at
          the parameters (db_mtl, excess_mtl, moco); about an hour and a half in all
Result:   no run diverges and none is dead: joint 81.84% mean test accuracy, the methods 75.51 to 82.06 (majority
          71.66); artifacts/celeba_subset_methods. One seed and 3 epochs are no test of these methods, nor are gradients
          at the features, where most papers do not look; dst never shut a gate
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
