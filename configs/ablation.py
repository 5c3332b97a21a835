"""What DST's settings do: lambda_b, beta, gates per step, tasks of different depth, tasks of different label counts.

Command:  python launch.py --config=configs/ablation.py --config.data.root=DIR --workdir=OUT
          python launch.py --job=report --workdir=OUT
Time:     about 2 minutes for each of the 12 runs on one core of an AMD EPYC, with --config.train.epochs=4 and the
          subset of 10,000 images (artifacts/celeba_subset_ablation)

The two static metrics are 1 for every task of fully labelled CelebA with equal heads. The last two pairs of variants
give them something to say: tasks that leave the trunk at different depths, and tasks that keep a share of their labels.
Each pair has joint training under the same conditions beside it, which is what its DST run is compared with.

Result:   none, for lambda_b and beta: with dst.gates_seed=-1, as it was run then, dst, beta_10, lambda_b_0 and
          lambda_b_50 drew the very same gates, since uniform
          numbers depend on method, seed and epoch alone, and are one network; lambda_b_80 never shut a gate and is
          joint training. One seed gives no verdict on the others either
"""

from typing import Any

from ml_collections import ConfigDict

from configs.celeba_study import get_config as get_study_config

TAPS = {"model": {"taps": ("Smiling=layer3", "Male=layer3", "Black_Hair=layer2", "5_o_Clock_Shadow=layer3")}}
FEW_LABELS = {"data": {"label_fractions": ("Male=0.25", "Black_Hair=0.5", "Wavy_Hair=0.5", "Young=0.75")}}


def mix(regularization: float) -> dict[str, Any]:
    """DST with this lambda_b; the other four metrics share what is left."""
    rest = (1.0 - regularization) / 4
    metrics = dict.fromkeys(("depth", "count", "incompleteness", "stagnancy"), rest)
    return {"method": "dst", "dst": {"weights": metrics | {"regularization": regularization}}}


def get_config() -> ConfigDict:
    """The fields of configs/celeba_study.py, with a variant for each setting; numbers in names are per cent."""
    config = get_study_config()
    config.train.epochs = 5
    config.study.seeds = (0,)
    config.dst.gates_seed = 0  # each setting draws gates of its own
    config.study.variants = variants = {
        "lambda_b_0": mix(0.0),
        "lambda_b_50": mix(0.5),
        "lambda_b_80": mix(0.8),
        "beta_10": {"method": "dst", "dst": {"beta": 0.1}},
        "beta_90": {"method": "dst", "dst": {"beta": 0.9}},
        "gates_per_step": {"method": "dst", "dst": {"period": "step"}},
        "joint_taps": {"method": "joint"} | TAPS,
        "dst_depth_taps": {"method": "dst_depth"} | TAPS,
        "joint_few_labels": {"method": "joint"} | FEW_LABELS,
        "dst_count_few_labels": {"method": "dst_count"} | FEW_LABELS,
    }
    config.study.references = {"dst_depth_taps": "joint_taps", "dst_count_few_labels": "joint_few_labels"}
    config.study.methods = ("joint", "dst", *variants)
    return config
