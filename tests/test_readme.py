"""The front door: links lead somewhere, and the code that README shows is that of the examples."""

import re
import subprocess
from pathlib import Path

import pytest

from mtl.command.flags import parse

ROOT = Path(__file__).parents[1]
TEXTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "artifacts/README.md"),
    *(
        f"docs/{name}.md"
        for name in "gotchas models studies evidence cluster data photos predict app tables stops".split()
    ),
)
MAX_LINES = 140  # of README: three minutes
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
SCRIPT = re.compile(r"<!-- study.sbatch -->\n```bash\n(.*?)```", re.DOTALL)
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


@pytest.mark.filterwarnings("ignore:the load_module")  # config_flags opens its file with it
def test_the_slurm_script_gives_each_task_its_shard(tmp_path: Path) -> None:
    """Run as Slurm would, with a command that only writes its arguments down."""
    (script,) = SCRIPT.findall((ROOT / "docs/cluster.md").read_text())
    mtl = tmp_path / "mtl"
    mtl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    mtl.chmod(0o755)
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "SLURM_ARRAY_TASK_ID": "8"}
    said = subprocess.run(
        ["bash", "-eu"], input=script, env=given | {"SLURM_CPUS_PER_TASK": "4"}, capture_output=True, text=True
    )
    assert (said.returncode, said.stderr) == (0, "")
    command = parse(["mtl", *said.stdout.splitlines()])
    assert command is not None and "--array=1-8\n" in script
    assert (command.shard, command.workdir) == ("8/8", tmp_path / "study")
