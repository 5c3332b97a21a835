"""The committed results: their tables are drawn from their figures, and nothing of CelebA itself is among them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mtl.statistics.score_table import score_table
from mtl.statistics.tables import gain_table, tables

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "artifacts").glob("*/results.json"))
MAIN = "celeba_subset_study"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_tables_are_those_of_the_results(path: Path) -> None:
    assert path.with_name("tables.md").read_text() == tables(json.loads(path.read_text())) + "\n"


def test_the_readmes_show_the_main_study() -> None:
    results = json.loads((ROOT / "artifacts" / MAIN / "results.json").read_text())
    measured = (ROOT / "artifacts" / "README.md").read_text()
    assert score_table(results, "accuracy") in measured
    assert gain_table(results, "joint") in measured
    assert f"]({MAIN}/figures/gains.svg)" in measured
    assert f"](artifacts/{MAIN}/figures/gains.svg)" in (ROOT / "README.md").read_text()


def test_no_image_and_no_predictions_are_committed() -> None:
    files = subprocess.run(["git", "ls-files", "artifacts"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in files.stdout.split()]
    logits = [path for path in paths if path.name == "logits.npz"]
    weights = ROOT / "artifacts/pretrained/model.safetensors"
    texts = [path for path in paths if path not in (weights, *logits)]
    assert {path.suffix for path in texts} <= {".json", ".jsonl", ".md", ".svg"}
    assert all({*np.load(path, allow_pickle=False)} == {"ids", "logits", "tasks"} for path in logits)
    assert not any("<image" in path.read_text() for path in paths if path.suffix == ".svg")
