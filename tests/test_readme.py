"""The front door: links lead somewhere, and the code that README shows is that of the examples."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "artifacts/README.md", "docs/gotchas.md", "docs/studies.md")
MAX_LINES = 140  # of README: three minutes
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
BLOCK = re.compile(r"<!-- (examples/\w+\.py) -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files(name: str) -> None:
    links = LINK.findall((ROOT / name).read_text())
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not ((ROOT / name).parent / link).exists()] == []


def test_the_code_shown_is_that_of_the_example() -> None:
    ((path, code),) = BLOCK.findall((ROOT / "README.md").read_text())
    assert path == "examples/existing_loop.py"
    if (ROOT / path).is_file():
        assert code == (ROOT / path).read_text()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES
