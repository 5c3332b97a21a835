"""README's tables are those of the committed results, and no label row or image of CelebA is committed."""

import json
import subprocess
from pathlib import Path

import pytest

from mtl.study import score_table

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "artifacts").glob("*/results.json"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_readme_shows_the_table_of_each_study(path: Path) -> None:
    assert score_table(json.loads(path.read_text())) in (ROOT / "README.md").read_text()


def test_only_text_is_committed() -> None:
    files = subprocess.run(["git", "ls-files", "artifacts"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {Path(name).suffix for name in files.stdout.split()} <= {".json", ".jsonl", ".md"}
