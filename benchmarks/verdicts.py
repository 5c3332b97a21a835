"""Are the verdicts right as often as they say? Studies of two equal methods, simulated and judged.

Command:  python benchmarks/verdicts.py            # 300 studies per cell, 7 numbers of seeds or folds, two spreads
Result:   artifacts/benchmarks/verdicts.json

A label is predicted well where difficulty + what one method makes of this image + what one network makes of it is
positive; each part has a share that all images of a person have in common. The two methods have the same expected
accuracy, about 80%, so that a gain or a loss is false. Networks differ in strength by `spread`: 0 leaves what they make
of single images, 0.04 adds about 0.8 points per task. Folds have images and people of their own, and strengths that
are correlated by n_test / (n_test + n_train), as Nadeau and Bengio (2003) assume of training sets that overlap.

Counted, for mean accuracy and mean average precision:
  false        gains and losses; 5% is the level
  gain         gains alone
  edge         equality declared though the true difference is the margin, whatever the margin: the intervals of these
               studies are moved there; 5% is the level
  coverage     how often the 95% interval holds the true difference, 0
  tasks        studies in which any task is told apart, after Holm's correction
"""

import platform
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from absl import app, flags

from mtl.record.files import write_json
from mtl.statistics import EQUAL, GAIN, LOSS, Predictions, Rules, compare
from mtl.statistics.verdicts import judge

NUM_STUDIES = flags.DEFINE_integer("studies", 300, "per cell")
OUTPUT = flags.DEFINE_string("output", "artifacts/benchmarks/verdicts.json", "where the result is written")
PROCESSES = flags.DEFINE_integer("processes", 2, "that simulate cells")
CELLS = [("seeds", number, spread) for number in (2, 3, 5, 10) for spread in (0.0, 0.04)]
CELLS += [("folds", number, spread) for number in (3, 5, 10) for spread in (0.04, 0.15)]
NUM_IMAGES, NUM_PEOPLE, NUM_TASKS, NUM_RESAMPLES = 400, 160, 8, 120
SCORES = ("accuracy", "average_precision")
WIDE = 0.5  # a margin


def noise(generator: np.random.Generator, identity_N: np.ndarray, scale: float) -> np.ndarray:
    """Per image and task, with a share that a person's images have in common."""
    of_people = generator.normal(size=(NUM_PEOPLE, NUM_TASKS))[identity_N]
    return scale * (0.6 * of_people + 0.8 * generator.normal(size=(len(identity_N), NUM_TASKS)))


def strength(generator: np.random.Generator, spread: float) -> np.ndarray:
    """A network's, on each task and on all at once."""
    return spread * (generator.normal(size=NUM_TASKS) + 0.5 * generator.normal())


def draw_study(
    generator: np.random.Generator, kind: str, number: int, spread: float
) -> dict[str, dict[int, Predictions]]:
    """Two methods' predictions: seeds on one test split, or folds on splits of their own."""
    runs: dict[str, dict[int, Predictions]] = {"a": {}, "b": {}}
    correlation = share_tested(number) / (share_tested(number) + share_trained(number)) if kind == "folds" else 0.0
    common = {method: strength(generator, spread) for method in runs}
    num_splits, num_seeds = (number, 1) if kind == "folds" else (1, number)
    for split in range(num_splits):
        identity_N = generator.integers(NUM_PEOPLE, size=NUM_IMAGES)
        labels_NK = generator.random((NUM_IMAGES, NUM_TASKS)) < np.linspace(0.1, 0.5, NUM_TASKS)
        difficulty_NK = np.where(labels_NK, 0.8, 1.2) + noise(generator, identity_N, 1.0)
        for method in runs:
            of_method_NK = difficulty_NK + noise(generator, identity_N, 0.3)
            for seed in range(split, split + num_seeds):
                own_K = strength(generator, spread)
                of_network_K = correlation**0.5 * common[method] + (1 - correlation) ** 0.5 * own_K
                margin_NK = of_method_NK + noise(generator, identity_N, 0.4) + of_network_K
                runs[method][seed] = Predictions(
                    logits_NK=np.where(labels_NK, margin_NK, -margin_NK),
                    labels_NK=labels_NK,
                    mask_NK=np.ones_like(labels_NK),
                    identity_N=identity_N,
                    majority_K=np.zeros(NUM_TASKS, bool),
                    tasks=tuple(f"task {k}" for k in range(NUM_TASKS)),
                    ids_N=np.array([f"{split}/{image}.jpg" for image in range(NUM_IMAGES)]),
                )
    return runs


def share_tested(num_folds: int) -> float:
    """Of all images, as `mtl.data.folds` deals them."""
    return 2 / (2 * num_folds)


def share_trained(num_folds: int) -> float:
    return (2 * num_folds - 3) / (2 * num_folds)


def judge_cell(kind: str, number: int, spread: float, num_studies: int) -> dict[str, Any]:
    """Shares of the studies of a cell, %."""
    generator = np.random.default_rng([number, kind == "folds", int(1000 * spread)])
    overlap = share_tested(number) / share_trained(number) if kind == "folds" else 0.0
    rules = Rules(overlap=overlap, num_resamples=NUM_RESAMPLES)
    found = [judge_study(draw_study(generator, kind, number, spread), rules) for _ in range(num_studies)]
    shares = {key: round(100 * float(np.mean([of[key] for of in found])), 2) for key in found[0]}
    return {"kind": kind, "number": number, "spread": spread, "num_studies": num_studies} | shares


def judge_study(runs: dict[str, dict[int, Predictions]], rules: Rules) -> dict[str, float]:
    """What is counted of one study."""
    compared, counted = compare(runs["b"], runs["a"], rules), dict[str, float]()
    for score in SCORES:
        overall = compared[score]["overall"]
        low, high = overall["interval"]
        # True difference 0 moved to a margin that is wide against the interval, so that only this edge is tested.
        moved = {key: np.add(overall[key], WIDE).tolist() for key in ("difference", "equivalence_interval")}
        told_apart = [of["verdict"] in (GAIN, LOSS) for of in compared[score]["tasks"].values()]
        counted |= {
            f"false, {score}": overall["verdict"] in (GAIN, LOSS),
            f"gain, {score}": overall["verdict"] == GAIN,
            f"edge, {score}": judge(moved, 1.0, rules.level, WIDE) == EQUAL,
            f"coverage, {score}": low <= 0 <= high,
            f"tasks, {score}": any(told_apart),
        }
    overall = compared["accuracy"]["overall"]
    counted["half width"] = overall["interval"][1] - overall["difference"]  # becomes points, as shares become per cent
    return counted


def table(cells: Sequence[dict[str, Any]]) -> str:
    """A line per cell."""
    keys = [key for key in cells[0] if key not in ("kind", "number", "spread", "num_studies")]
    lines = [["cell", "spread", *keys]]
    lines += [[f"{of['number']} {of['kind']}", f"{of['spread']:g}", *(f"{of[key]:g}" for key in keys)] for of in cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(_: list[str]) -> None:
    cells: list[dict[str, Any]] = []
    with ProcessPoolExecutor(PROCESSES.value) as pool:  # each cell has random numbers of its own
        asked = [pool.submit(judge_cell, *cell, NUM_STUDIES.value) for cell in CELLS]
        for each in asked:
            cells.append(each.result())
            print(table(cells[-1:]), flush=True)
    result = {
        "cells": cells,
        "setting": {
            "num_images": NUM_IMAGES,
            "num_people": NUM_PEOPLE,
            "num_tasks": NUM_TASKS,
            "num_resamples": NUM_RESAMPLES,
            "level": Rules().level,
        },
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "command": " ".join(["python", *sys.argv]),
    }
    write_json(Path(OUTPUT.value), result)
    print(table(cells))


if __name__ == "__main__":
    app.run(main)
