"""The plan of a study: runs, hours, and a power that simulated studies have."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from ml_collections import ConfigDict

from mtl.config import read_study
from mtl.errors import UserError
from mtl.plan.job import Assumed, plan
from mtl.statistics.power import Design, find_gain, power_of_equality, power_of_gain, standard_error

ASSUMED = Assumed(seed_spread=0.2, image_spread=10.0, images_per_second=100.0)


@pytest.mark.parametrize("num_comparisons", [1, 4])
def test_the_gain_is_found_as_often_as_said(num_comparisons: int) -> None:
    """The paired t test of drawn differences."""
    design = Design(5, 1000, 0.0, seed_spread=0.002, image_spread=0.1, num_comparisons=num_comparisons)
    gain = find_gain(design)
    drawn = np.random.default_rng(0).normal(gain, standard_error(design) * 5**0.5, (8000, 5))
    found = scipy.stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05 / num_comparisons
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_power_grows_with_seeds_and_images_and_falls_with_overlap() -> None:
    design = Design(5, 1000, 0.0, seed_spread=0.002, image_spread=0.1)
    power = power_of_gain(design, 0.005)
    assert power_of_gain(design._replace(num_units=10), 0.005) > power
    assert power_of_gain(design._replace(num_images=10_000), 0.005) > power
    assert power_of_gain(design._replace(overlap=0.3), 0.005) < power
    assert find_gain(design._replace(num_units=1)) == float("inf")
    assert power_of_equality(design, 0.02) > power_of_equality(design, 0.005)


def test_a_plan_by_hand(config: ConfigDict, tmp_path: Path) -> None:
    """36 training, 12 validation and 12 test images: 3 epochs of (36 + 12 / 3) images, and (12 + 12) / 3 at the end."""
    config.study.methods, config.study.seeds = ("joint", "mgda"), (0, 1)
    text = plan(read_study(config), tmp_path, ASSUMED)
    assert text.startswith(
        "4 runs, 4 of them still to be trained: 0.0 hours one after the other (with what was given)."
    )
    assert "| joint  | 2    | 2             | 0.0          |" in text
    assert "2 seeds, each tested on 12 images;" in text and "A true gain of" in text
    config.study.seeds = (0,)
    assert "this study can find no gain" in plan(read_study(config), tmp_path, ASSUMED)
    config.study.folds = 3
    assert "3 folds, each tested on 20 images" in plan(read_study(config), tmp_path, ASSUMED)


def test_a_pace_is_measured(config: ConfigDict, tmp_path: Path) -> None:
    config.study.methods = ("joint", "random_drop")
    text = plan(read_study(config), tmp_path, ASSUMED._replace(images_per_second=0.0))
    assert "threads)" in text and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("margin", 0.0, r"study\.margin is 0"),
        ("folds", 2, "at least 3"),
        ("comparisons", ("dst",), "write METHOD:REFERENCE"),
        ("comparisons", ("dst:jont",), "closest to joint"),
    ],
)
def test_designs_that_are_none(config: ConfigDict, field: str, value: object, said: str) -> None:
    config.study[field] = value
    with pytest.raises(UserError, match=said):
        read_study(config)


def test_a_control_repeats_a_run_of_dst(config: ConfigDict) -> None:
    config.study.methods, config.dst.repeats = ("joint", "random_drop"), "joint"
    with pytest.raises(UserError, match="random_drop repeats joint, which is no run of DST"):
        read_study(config)
