"""The comparison on real CelebA: 8 attributes, 6 methods with 3 seeds, single-task networks with one.

Command:  python launch.py --config=configs/celeba_study.py --config.data.root=DIR --workdir=OUT
          python launch.py --config=configs/celeba_study.py --config.data.root=DIR --workdir=OUT \\
              --config.study.methods=single_task --config.study.seeds=0,
          python launch.py --job=report --workdir=OUT

Time:     on one core of an AMD EPYC that other work shared, 5 to 8 minutes for each of the 18 runs, and 95 for the 8
          single-task networks
Result:   joint 84.63, uncertainty 84.76, DST 84.51, random dropping 84.49% mean test accuracy over 3 seeds, of
          which nothing is decided (8 of DST's 240 gates were shut); single-task networks 85.41% (one seed, no verdict);
          artifacts/celeba_subset_study

Small enough for a CPU: 32 x 32 pixels of the centred square, convolutions in bfloat16.
"""

from ml_collections import ConfigDict

from configs.celeba import get_config as get_celeba_config


def get_config() -> ConfigDict:
    """The fields of configs/celeba.py at a resolution that fits two cores."""
    config = get_celeba_config()
    config.data.image_size = 32
    config.data.crop = "square"  # the face is larger in it than in the whole image
    config.data.max_shift = 2
    config.train.epochs = 10
    config.train.precision = "bfloat16"
    config.study.methods = ("joint", "dst", "random_drop", "dst_incompleteness", "dst_stagnancy", "uncertainty")
    config.study.seeds = (0, 1, 2)
    return config
