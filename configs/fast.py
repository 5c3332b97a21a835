"""The fast recipe: a slim ResNet-18 that learns real attributes in a minute or two on two cores.

Command:  python launch.py --config=configs/fast.py --config.data.name=celeba --config.data.root=DIR --workdir=OUT

Result:   3 seeds of joint training on the subset of 10,000 images reached the textbook recipe's best validation
          accuracy (84.4 to 84.9%) in 61 to 83 s from loose files, packing included: 0.12 to 0.20 of its time
          (artifacts/benchmarks/amd_epyc_2_threads.md, part d)

configs/fast_ablation.py undoes one ingredient at a time; artifacts/README.md says what each brings, and what not.
"""

from ml_collections import ConfigDict

from configs.default import get_config as get_default_config


def get_config() -> ConfigDict:
    """The fields of configs/default.py, with what shortens the time to an accuracy."""
    config = get_default_config()
    config.data.image_size = 64
    config.data.max_shift = 0  # in so few epochs no image is seen often enough to be learnt by heart
    config.model.width = 0.5  # 480 instead of 152 images/s on two cores of an AMD EPYC
    config.train.epochs = 4
    config.train.warmup_epochs = 0.25
    config.train.mirrored = True
    return config
